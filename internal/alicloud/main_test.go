package alicloud

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud/alicloudtest"
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

const goodReply = `{"Success":true,"Code":"200"}`

var testCall = Call{Action: "DescribeMetricList", Version: "2019-01-01", Query: url.Values{"Namespace": {"acs_kafka"}}}

// testRemedies stand for those of a service.
var testRemedies = map[Kind]string{KindForbidden: "grant the action", KindThrottled: "call less often"}

// ask makes a call whose reply has no data.
func ask(ctx context.Context, c *Client) error {
	_, err := c.Do(ctx, testCall, func(body []byte) *Error {
		var e Envelope
		switch {
		case json.Unmarshal(body, &e) != nil:
			return Malformed("no JSON")
		case e.Failed():
			return ServiceError(http.StatusOK, body)
		}
		return nil
	})
	return err
}

func staticSettings(endpoint string, client *http.Client) Settings {
	return Settings{
		Endpoint:   endpoint,
		HTTPClient: client,
		Remedies:   testRemedies,
		Credentials: CredentialSettings{
			Type: CredentialSTS, AccessKeyID: testID, AccessKeySecret: testSecret, SecurityToken: testToken,
		},
	}
}

func newTestClient(t *testing.T, s Settings) *Client {
	t.Helper()
	c, err := NewClient(s)
	require.NoError(t, err)
	return c
}

// staticClient returns a client of the server h.
func staticClient(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	endpoint, httpClient := alicloudtest.Serve(t, h)
	return newTestClient(t, staticSettings(endpoint, httpClient))
}
