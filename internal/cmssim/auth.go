package cmssim

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The key pair that is accepted, with any security token. The keys of STS sessions are accepted as well.
const (
	AccessKeyID     = "testid"
	AccessKeySecret = "testsecret"
)

const (
	actionDescribeMetricList = "DescribeMetricList"
	actionAssumeRole         = "AssumeRole"
	actionAssumeRoleOIDC     = "AssumeRoleWithOIDC"
)

// versions are the API versions of the actions.
var versions = map[string]string{
	actionDescribeMetricList:  "2019-01-01",
	actionGetConsumerProgress: "2019-09-16",
	actionAssumeRole:          "2015-04-01",
	actionAssumeRoleOIDC:      "2015-04-01",
}

const (
	// maxSkew is how far x-acs-date may be from the server's time (InvalidTimeStamp.Expired).
	maxSkew = 15 * time.Minute
	// maxRequestBytes is the limit of the API gateway for a body.
	maxRequestBytes = 512 << 10
	// maxNonces is how many nonces are remembered: those of half an hour at 50 calls a second.
	maxNonces  = 90_000
	dateLayout = "2006-01-02T15:04:05Z"
)

// authenticate does what the API gateway does before a service sees a request: it finds the action, verifies the signature,
// and returns the parameters of the query string and of a form in the body.
func (s *Server) authenticate(c *call) (url.Values, *serviceError) {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxRequestBytes))
	if err != nil {
		return nil, errParameter.because(err)
	}
	params, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, errParameter.because(err)
	}
	if strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, errParameter.because(err)
		}
		for key, values := range form {
			params[key] = append(params[key], values...)
		}
	}
	version := cmp.Or(c.r.Header.Get("x-acs-version"), params.Get("Version"))
	c.entry.Action = cmp.Or(c.r.Header.Get("x-acs-action"), params.Get("Action"))
	if c.entry.Action != actionAssumeRoleOIDC { // which is not signed: its token authenticates
		if err := s.verify(c.r, body); err != nil {
			return nil, err
		}
	}
	if want, known := versions[c.entry.Action]; !known || version != want || c.r.URL.Path != "/" {
		return nil, errAPI
	}
	return params, nil
}

// verify checks date, keys, signature and nonce.
func (s *Server) verify(r *http.Request, body []byte) *serviceError {
	auth, ok := parseAuthorization(r.Header.Get("Authorization"))
	if !ok {
		return errIncomplete
	}
	date, err := time.Parse(dateLayout, r.Header.Get("x-acs-date"))
	if err != nil {
		return errDateFormat
	}
	if s.Now().Sub(date).Abs() > maxSkew {
		return errDateExpired
	}
	secret := AccessKeySecret
	if auth.credential != AccessKeyID {
		session, err := s.sessions.find(auth.credential, r.Header.Get("x-acs-security-token"), s.Now())
		if err != nil {
			return err
		}
		secret = session.secret
	}
	hash := sha256.Sum256(body)
	if r.Header.Get("x-acs-content-sha256") != hex.EncodeToString(hash[:]) {
		return errSignature.explain("x-acs-content-sha256 is not the hash of the body")
	}
	if err := auth.covers(r); err != nil {
		return errSignature.because(err)
	}
	if !hmac.Equal([]byte(signature(r, auth.signedHeaders, secret)), []byte(auth.signature)) {
		return errSignature.explain("signature %q does not match the request", auth.signature)
	}
	if s.calls.Load()%maxNonces == 0 {
		s.nonces.Clear()
	}
	if _, used := s.nonces.LoadOrStore(r.Header.Get("x-acs-signature-nonce"), nil); used {
		return errNonceUsed
	}
	return nil
}
