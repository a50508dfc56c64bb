package cms

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud/alicloudtest"
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
	endpoint, httpClient := alicloudtest.Serve(t, h)
	return newTestClient(t, staticSettings(endpoint, httpClient))
}
