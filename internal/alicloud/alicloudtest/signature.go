// Package alicloudtest has what tests of clients of Alibaba Cloud share.
package alicloudtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CheckSignature computes the ACS3-HMAC-SHA256 signature of r from its description, without the SDK.
func CheckSignature(r *http.Request, secret string) error {
	auth, _ := strings.CutPrefix(r.Header.Get("Authorization"), "ACS3-HMAC-SHA256 ")
	fields := map[string]string{}
	for part := range strings.SplitSeq(auth, ",") {
		k, v, _ := strings.Cut(part, "=")
		fields[k] = v
	}
	escape := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	var query []string
	for k, v := range r.URL.Query() {
		query = append(query, escape(k)+"="+escape(v[0]))
	}
	slices.Sort(query)
	var headers strings.Builder
	for name := range strings.SplitSeq(fields["SignedHeaders"], ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	canonical := strings.Join([]string{
		r.Method, r.URL.Path, strings.Join(query, "&"), headers.String(), fields["SignedHeaders"], r.Header.Get("X-Acs-Content-Sha256"),
	}, "\n")
	hash := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("ACS3-HMAC-SHA256\n" + hex.EncodeToString(hash[:])))
	if want := hex.EncodeToString(mac.Sum(nil)); want != fields["Signature"] {
		return fmt.Errorf("signature is %q, want %q over %q", fields["Signature"], want, canonical)
	}
	return nil
}
