package alicloud

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const refused = "the request was refused"

// issuers calls the services that issue sessions.
type issuers struct {
	sts      endpoint
	sender   *sender // calls STS and the credentials URI
	metadata *sender // calls the ECS metadata service
}

func newIssuers(sender *sender, s Settings) (*issuers, error) {
	host := "sts"
	if s.Network == NetworkVPC {
		host = "sts-vpc"
	}
	if s.Region != "" {
		host += "." + s.Region
	}
	sts, err := parseEndpoint("https://" + host + ".aliyuncs.com")
	if err != nil {
		return nil, fmt.Errorf("endpoint of STS: %w", err)
	}
	// The metadata service is never behind a proxy. Connections are not kept, since there is nobody to close them.
	direct := &http.Client{Timeout: metadataTimeout, Transport: &http.Transport{DialContext: s.dialMetadata, DisableKeepAlives: true}}
	return &issuers{sts: sts, sender: sender, metadata: newSender(direct, s.UserAgent)}, nil
}

// session sends the request and returns the session in the reply.
func (s *sender) session(req *http.Request) (*credential, *Error) {
	var r reply
	if failure := s.do(req, &r); failure != nil {
		return nil, failure
	}
	return r.session()
}

// sessionBody is a session as those who issue one write it.
type sessionBody struct {
	Code            LooseString // not of STS
	AccessKeyID     string      `json:"AccessKeyId"`
	AccessKeySecret string
	SecurityToken   string
	Expiration      time.Time
	Credentials     *sessionBody // STS has the session in here
}

// session returns the session in the reply. How long it lasts is counted from the reply's date, so that a wrong local
// clock does not matter.
func (r *reply) session() (*credential, *Error) {
	var body sessionBody
	err := json.Unmarshal(r.body.Bytes(), &body)
	if code := string(body.Code); code != "" && code != "Success" {
		return nil, r.complete(&Error{Kind: classify(code, http.StatusOK), Code: code, Status: http.StatusOK, Message: refused})
	}
	s, now := &body, r.date()
	if s.Credentials != nil {
		s = s.Credentials
	}
	if now.IsZero() {
		now = time.Now()
	}
	cred := &credential{id: s.AccessKeyID, secret: s.AccessKeySecret, token: s.SecurityToken, lifetime: s.Expiration.Sub(now)}
	if err != nil || cred.id == "" || cred.secret == "" || cred.token == "" || cred.lifetime <= 0 {
		return nil, r.complete(Malformed("the reply has no session"))
	}
	return cred, nil
}

// credentialKind returns the kind of an error of those who issue credentials: what they refuse is not for the
// service or its permissions to fix.
func credentialKind(k Kind) Kind {
	if k == KindInvalidRequest || k == KindForbidden || k == KindQuotaExhausted {
		return KindBadCredentials
	}
	return k
}
