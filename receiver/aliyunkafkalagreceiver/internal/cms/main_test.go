package cms

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
)

func TestMain(m *testing.M) {
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

func staticSettings(endpoint string, client *http.Client) alicloud.Settings {
	return alicloud.Settings{
		Endpoint:   endpoint,
		HTTPClient: client,
		Credentials: alicloud.CredentialSettings{
			Type: alicloud.CredentialSTS, AccessKeyID: testID, AccessKeySecret: testSecret, SecurityToken: testToken,
		},
	}
}

func newTestClient(t *testing.T, s alicloud.Settings) Client {
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
