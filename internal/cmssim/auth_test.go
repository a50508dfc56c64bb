package cmssim

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAuthentication(t *testing.T) {
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	date := func(d time.Duration) func(*http.Request) {
		return set("x-acs-date", testStart.Add(d).Format(dateLayout))
	}
	tests := map[string]struct {
		before  func(*http.Request) // the signature
		after   func(*http.Request)
		status  int // 0 is accepted
		code    string
		message string
	}{
		"right":                {},
		"clock 15 min behind":  {before: date(-15 * time.Minute)},
		"clock 15 min ahead":   {before: date(15 * time.Minute)},
		"clock too far behind": {before: date(-15*time.Minute - time.Second), status: 400, code: "InvalidTimeStamp.Expired"},
		"clock too far ahead":  {before: date(15*time.Minute + time.Second), status: 400, code: "InvalidTimeStamp.Expired"},
		"other date format":    {before: set("x-acs-date", testStart.Format(time.RFC1123)), status: 400, code: "InvalidTimeStamp.Format"},
		"no signature": {
			after:  func(r *http.Request) { r.Header.Set("Authorization", "ACS3-HMAC-SHA256 Credential=testid") },
			status: 400, code: "IncompleteSignature",
		},
		"STS signs, too": {
			before: func(r *http.Request) {
				r.Header.Set("x-acs-action", "AssumeRole")
				r.Header.Set("x-acs-version", "2015-04-01")
			},
			after:  func(r *http.Request) { sign(r, headersToSign(r), AccessKeyID, "wrong") },
			status: 400, code: "SignatureDoesNotMatch",
		},
		"no Authorization": {
			after:  func(r *http.Request) { r.Header.Del("Authorization") },
			status: 400, code: "IncompleteSignature",
		},
		"no nonce": {
			before: func(r *http.Request) { r.Header.Del("x-acs-signature-nonce") },
			status: 400, code: "SignatureDoesNotMatch", message: "x-acs-signature-nonce is missing",
		},
		"other key": {
			after:  func(r *http.Request) { sign(r, headersToSign(r), "otherid", AccessKeySecret) },
			status: 404, code: "InvalidAccessKeyId.NotFound",
		},
		"other secret": {
			after:  func(r *http.Request) { sign(r, headersToSign(r), AccessKeyID, "wrong") },
			status: 400, code: "SignatureDoesNotMatch", message: "does not match the request",
		},
		"parameter changed": {
			after:  func(r *http.Request) { r.URL.RawQuery += "1" },
			status: 400, code: "SignatureDoesNotMatch",
		},
		"header added": {
			after:  set("x-acs-credentials-provider", "static_ak"),
			status: 400, code: "SignatureDoesNotMatch", message: "x-acs-credentials-provider is not in SignedHeaders",
		},
		"host not signed": {
			after:  func(r *http.Request) { sign(r, headersToSign(r)[1:], AccessKeyID, AccessKeySecret) },
			status: 400, code: "SignatureDoesNotMatch", message: "host is not in SignedHeaders",
		},
		"headers not sorted": {
			after: func(r *http.Request) {
				r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "host;x-acs-action", "x-acs-action;host", 1))
			},
			status: 400, code: "SignatureDoesNotMatch", message: "not sorted",
		},
		"hash of another body": {
			before: set("x-acs-content-sha256", strings.Repeat("0", 64)),
			status: 400, code: "SignatureDoesNotMatch", message: "not the hash of the body",
		},
		"other action":  {before: set("x-acs-action", "DescribeMetricLast"), status: 404, code: "InvalidApi.NotFound"},
		"other version": {before: set("x-acs-version", "2018-03-08"), status: 404, code: "InvalidApi.NotFound"},
		"other path":    {before: func(r *http.Request) { r.URL.Path = "/x" }, status: 404, code: "InvalidApi.NotFound"},
		"GET":           {before: func(r *http.Request) { r.Method = http.MethodGet }},
		"broken query":  {before: func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, status: 400, code: "ParameterInvalid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{})
			r := s.request(t.Context(), s.params(), "", tt.before)
			if tt.after != nil {
				tt.after(r)
			}
			if tt.status == 0 {
				status, body := s.send(r)
				assert.Equal(t, http.StatusOK, status, body)
				return
			}
			status, e := s.refusal(r)
			assert.Equal(t, tt.status, status)
			assert.Equal(t, tt.code, e["Code"])
			assert.Contains(t, e["Message"], tt.message)
			assert.NotContains(t, e["Message"], AccessKeySecret)
			assert.Equal(t, tt.code, s.Requests()[0].Outcome)
		})
	}
}

func TestNonceIsUsedOnce(t *testing.T) {
	s := start(t, Options{})
	once := func(r *http.Request) { r.Header.Set("x-acs-signature-nonce", "once") }
	status, _ := s.send(s.request(t.Context(), s.params(), "", once))
	assert.Equal(t, http.StatusOK, status)
	status, e := s.refusal(s.request(t.Context(), s.params(), "", once))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "SignatureNonceUsed", e["Code"])
}

func TestForm(t *testing.T) {
	s := start(t, Options{})
	form := func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }
	status, body := s.send(s.request(t.Context(), nil, s.params().Encode(), form))
	assert.Equal(t, http.StatusOK, status, body)

	status, e := s.refusal(s.request(t.Context(), nil, "a=%zz", form))
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "ParameterInvalid", e["Code"])

	status, _ = s.refusal(s.request(t.Context(), nil, strings.Repeat("x", maxRequestBytes+1), form))
	assert.Equal(t, http.StatusBadRequest, status)
}
