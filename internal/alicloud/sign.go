package alicloud

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

// Call is one call of an API of Alibaba Cloud in RPC style.
type Call struct {
	Action, Version string
	Query           url.Values // one value a key

	form url.Values // the body; nil sends none
}

// stamp makes a request unique. The gateway refuses a nonce that it has seen, so every attempt needs a new one.
type stamp struct {
	date  time.Time
	nonce string
}

func newStamp() stamp { return stamp{date: time.Now(), nonce: rand.Text()} }

// request builds the request of c, signed with ACS3-HMAC-SHA256 unless cred is nil.
func (c Call) request(ctx context.Context, to endpoint, cred *credential, s stamp) (*http.Request, error) {
	body := c.form.Encode()
	u := url.URL{Scheme: to.scheme, Host: to.host, Path: "/", RawQuery: c.Query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(body))
	req.Header.Set("X-Acs-Action", c.Action)
	req.Header.Set("X-Acs-Version", c.Version)
	req.Header.Set("X-Acs-Date", s.date.UTC().Format(time.RFC3339))
	req.Header.Set("X-Acs-Signature-Nonce", s.nonce)
	req.Header.Set("X-Acs-Content-Sha256", hex.EncodeToString(hash[:]))
	if c.form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if cred == nil {
		return req, nil
	}
	if cred.token != "" {
		req.Header.Set("X-Acs-Accesskey-Id", cred.id)
		req.Header.Set("X-Acs-Security-Token", cred.token)
	}
	headers := pointers(req.Header)
	headers["host"] = &to.host
	req.Header.Set("Authorization", *openapiutil.GetAuthorization(
		&dara.Request{Method: &req.Method, Pathname: &u.Path, Query: pointers(c.Query), Headers: headers},
		dara.String("ACS3-HMAC-SHA256"), headers["X-Acs-Content-Sha256"], &cred.id, &cred.secret))
	return req, nil
}

// pointers returns the first value of each key.
func pointers(values map[string][]string) map[string]*string {
	m := make(map[string]*string, len(values))
	for k, v := range values {
		m[k] = &v[0]
	}
	return m
}
