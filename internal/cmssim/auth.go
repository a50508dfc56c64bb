package cmssim

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	action  = "DescribeMetricList"
	version = "2019-01-01"
	// maxSkew is how far x-acs-date may be from the server's time (API gateway, InvalidTimeStamp.Expired).
	maxSkew = 15 * time.Minute
	// maxRequestBytes bounds the body of a request, as the API gateway does.
	maxRequestBytes = 512 << 10
	dateLayout      = "2006-01-02T15:04:05Z"
)

// authenticate does what the API gateway does before CloudMonitor sees a request, and returns its parameters:
// those of the query string and those of a form in the body.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) (url.Values, *serviceError) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return nil, errMethod
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return nil, errBody.because(err)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errParameter.because(err)
	}
	if err := s.verify(r, body); err != nil {
		return nil, err
	}
	if r.URL.Path != "/" || r.Header.Get("x-acs-action") != action || r.Header.Get("x-acs-version") != version {
		return nil, errAPI
	}
	return addForm(query, r, body)
}

func (s *Server) verify(r *http.Request, body []byte) *serviceError {
	auth, err := ParseAuthorization(r.Header.Get("Authorization"))
	if err != nil {
		return errIncomplete.because(err)
	}
	date, err := time.Parse(dateLayout, r.Header.Get("x-acs-date"))
	if err != nil {
		return errDateFormat
	}
	if s.Now().Sub(date).Abs() > maxSkew {
		return errDateExpired
	}
	if auth.Credential != s.opts.AccessKeyID {
		return errAccessKey
	}
	if hash := sha256.Sum256(body); r.Header.Get("x-acs-content-sha256") != hex.EncodeToString(hash[:]) {
		return errSignature.explain("x-acs-content-sha256 is not the hash of the body")
	}
	if err := VerifySignature(r, auth, s.opts.AccessKeySecret); err != nil {
		return errSignature.because(err)
	}
	if want := s.opts.SecurityToken; want != "" && r.Header.Get("x-acs-security-token") != want {
		return errTokenExpired
	}
	if !s.nonces.add(r.Header.Get("x-acs-signature-nonce")) {
		return errNonceUsed
	}
	return nil
}

func addForm(params url.Values, r *http.Request, body []byte) (url.Values, *serviceError) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return params, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errParameter.because(err)
	}
	for key, values := range form {
		params[key] = append(params[key], values...)
	}
	return params, nil
}

// nonceCache remembers the nonces of late: at least as many as the account may send in twice maxSkew,
// which is 30 minutes at 50 calls a second.
type nonceCache struct {
	mu                sync.Mutex
	current, previous map[string]struct{}
}

const nonceGeneration = 90_000

// add reports whether the nonce is new.
func (c *nonceCache) add(nonce string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, inCurrent := c.current[nonce]
	_, inPrevious := c.previous[nonce]
	if inCurrent || inPrevious {
		return false
	}
	if c.current == nil || len(c.current) >= nonceGeneration {
		c.current, c.previous = map[string]struct{}{}, c.current
	}
	c.current[nonce] = struct{}{}
	return true
}
