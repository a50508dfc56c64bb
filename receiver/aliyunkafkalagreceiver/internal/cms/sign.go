package cms

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
)

// call is one call of an API of Alibaba Cloud in RPC style.
type call struct {
	action, version string
	query           url.Values // one value a key
	form            url.Values // the body; nil sends none
}

// stamp makes a request unique. The gateway refuses a nonce that it has seen, so every attempt needs a new one.
type stamp struct {
	date  time.Time
	nonce string
}

func newStamp() stamp { return stamp{date: time.Now(), nonce: rand.Text()} }

// request builds the request of c, signed with ACS3-HMAC-SHA256 unless cred is nil.
func (c call) request(ctx context.Context, to endpoint, cred *credential, s stamp) (*http.Request, error) {
	body := c.form.Encode()
	u := url.URL{Scheme: to.scheme, Host: to.host, Path: "/", RawQuery: c.query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(body))
	headers := map[string]string{
		"x-acs-action":          c.action,
		"x-acs-version":         c.version,
		"x-acs-date":            s.date.UTC().Format(time.RFC3339),
		"x-acs-signature-nonce": s.nonce,
		"x-acs-content-sha256":  hex.EncodeToString(hash[:]),
	}
	if c.form != nil {
		headers["content-type"] = "application/x-www-form-urlencoded"
	}
	if cred != nil && cred.token != "" {
		headers["x-acs-accesskey-id"], headers["x-acs-security-token"] = cred.id, cred.token
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	if cred != nil {
		headers["host"] = to.host
		req.Header.Set("Authorization", c.authorization(headers, cred))
	}
	return req, nil
}

// authorization returns the header that proves the call comes from the owner of cred.
func (c call) authorization(headers map[string]string, cred *credential) string {
	request := &dara.Request{
		Method:   dara.String(http.MethodPost),
		Pathname: dara.String("/"),
		Query:    map[string]*string{},
		Headers:  map[string]*string{},
	}
	for k, v := range c.query {
		request.Query[k] = &v[0]
	}
	for k, v := range headers {
		request.Headers[k] = &v
	}
	return *openapiutil.GetAuthorization(request, dara.String("ACS3-HMAC-SHA256"),
		request.Headers["x-acs-content-sha256"], &cred.id, &cred.secret)
}
