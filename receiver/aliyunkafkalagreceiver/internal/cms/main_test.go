package cms

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain sets a proxy that nothing here may use.
func TestMain(m *testing.M) {
	_ = os.Setenv("HTTP_PROXY", "http://proxy.invalid:3128")
	goleak.VerifyTestMain(m)
}

const (
	testID     = "LTAI-sentinel-key-id"
	testSecret = "sentinel-secret/+=value"
	testToken  = "sentinel-token/+=value"
)

var testQuery = Query{
	MetricName: MetricAccumulation,
	Period:     time.Minute,
	Start:      1_700_000_000_000,
	End:        1_700_000_300_000,
	Instances:  []string{"alikafka_post-cn-abc", "alikafka_post-cn-def"},
}

const onePoint = `{"Success":true,"Code":"200","Datapoints":"[{\"timestamp\":1700000040000,\"userId\":\"123\",\"instanceId\":\"i\",\"consumerGroup\":\"g\",\"Value\":42}]"}`

// serve starts a server that stands for CMS and returns its URL and a client that is closed with it.
func serve(t *testing.T, h http.HandlerFunc) (string, *http.Client) {
	t.Helper()
	server := httptest.NewServer(h)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		server.Close()
	})
	return server.URL, client
}

func staticSettings(endpoint string, client *http.Client) Settings {
	return Settings{
		Endpoint:   endpoint,
		HTTPClient: client,
		Credentials: CredentialSettings{
			Type: CredentialSTS, AccessKeyID: testID, AccessKeySecret: testSecret, SecurityToken: testToken,
		},
	}
}

func newTestClient(t *testing.T, s Settings) Client {
	t.Helper()
	c, err := NewClient(s)
	require.NoError(t, err)
	return c
}

// staticClient returns a client of the server h.
func staticClient(t *testing.T, h http.HandlerFunc) Client {
	t.Helper()
	endpoint, httpClient := serve(t, h)
	return newTestClient(t, staticSettings(endpoint, httpClient))
}

// answer is a server that gives the same reply to everything.
func answer(status int, header http.Header, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// checkSignature computes the ACS3-HMAC-SHA256 signature of r from its description, without the SDK.
func checkSignature(r *http.Request, secret string) error {
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
