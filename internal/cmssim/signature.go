package cmssim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// mandatoryHeaders have to be sent and signed.
var mandatoryHeaders = []string{
	"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version",
}

// signature returns the ACS3-HMAC-SHA256 signature of a request over the headers named, in lower-case hexadecimal.
// The hash of the body is that of the header x-acs-content-sha256.
//
// Source: Alibaba Cloud, "V3 request body and signature".
func signature(r *http.Request, signedHeaders []string, secret string) string {
	var headers strings.Builder
	for _, name := range signedHeaders {
		headers.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	canonical := strings.Join([]string{
		r.Method,
		r.URL.EscapedPath(),
		strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20"), // RFC 3986
		headers.String(),
		strings.Join(signedHeaders, ";"),
		r.Header.Get("x-acs-content-sha256"),
	}, "\n")
	hash := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("ACS3-HMAC-SHA256\n" + hex.EncodeToString(hash[:])))
	return hex.EncodeToString(mac.Sum(nil))
}

// authorization is a parsed Authorization header.
type authorization struct {
	credential    string
	signedHeaders []string // lower case
	signature     string
}

var authorizationHeader = regexp.MustCompile(`^ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})$`)

// parseAuthorization parses an Authorization header, and reports whether it is well-formed.
func parseAuthorization(header string) (authorization, bool) {
	m := authorizationHeader.FindStringSubmatch(header)
	if m == nil {
		return authorization{}, false
	}
	return authorization{credential: m[1], signedHeaders: strings.Split(m[2], ";"), signature: m[3]}, true
}

// covers returns an error if a header that has to be signed is missing or not signed.
func (a authorization) covers(r *http.Request) error {
	if !slices.IsSorted(a.signedHeaders) {
		return fmt.Errorf("SignedHeaders %q is not sorted", a.signedHeaders)
	}
	for _, name := range headersToSign(r) {
		if headerValue(r, name) == "" {
			return fmt.Errorf("header %s is missing", name)
		}
		if !slices.Contains(a.signedHeaders, name) {
			return fmt.Errorf("header %s is not in SignedHeaders %q", name, a.signedHeaders)
		}
	}
	return nil
}

// headersToSign returns the mandatory headers and every x-acs-* header of the request, sorted.
func headersToSign(r *http.Request) []string {
	names := slices.Clone(mandatoryHeaders)
	for name := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-acs-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func headerValue(r *http.Request, name string) string {
	if name == "host" {
		return r.Host
	}
	return strings.TrimSpace(strings.Join(r.Header.Values(name), ","))
}
