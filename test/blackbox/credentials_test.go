package blackbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// TestWhiteSpaceAroundKeys is trimmed: files and Secrets often end with a line break.
func TestWhiteSpaceAroundKeys(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, credentials, id, secret string }{
		{"keys of the receiver", `{type: access_key, access_key_id: "testid\n", access_key_secret: "\ttestsecret\r\n"}`, "", ""},
		{"type default", `{access_key_id: " testid", access_key_secret: "testsecret\n"}`, "", ""},
		{"session", `{type: sts, access_key_id: "testid\n", access_key_secret: "testsecret\n", security_token: "token\n"}`, "", ""},
		{"environment", "{}", "testid\n", "\ntestsecret \n"},
		{"keys from the environment", "{access_key_id: '${env:ALIBABA_CLOUD_ACCESS_KEY_ID}', access_key_secret: '${env:ALIBABA_CLOUD_ACCESS_KEY_SECRET}'}", "testid\n", "testsecret\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cms := harness.StartCMS(t, cmssim.Scenario{})
			cms.Publish("i", "orders", time.Now(), 7)
			c := harness.StartPage(t, cms, harness.Once+"    credentials: "+tt.credentials+"\n",
				"ALIBABA_CLOUD_ACCESS_KEY_ID="+tt.id, "ALIBABA_CLOUD_ACCESS_KEY_SECRET="+tt.secret)
			c.Await(1)
		})
	}
}

// TestControlCharactersInKeys are rejected before anything is sent, by the name of the key and without its value.
func TestControlCharactersInKeys(t *testing.T) {
	t.Parallel()
	tests := []struct{ credentials, key string }{
		{`{type: access_key, access_key_id: "SENT\nINEL", access_key_secret: a}`, "access_key_id"},
		{`{type: access_key, access_key_id: a, access_key_secret: "SENT\r\nINEL"}`, "access_key_secret"},
		{`{access_key_id: a, access_key_secret: "SENT\x00INEL"}`, "access_key_secret"},
		{`{type: sts, access_key_id: a, access_key_secret: b, security_token: "SENT\tINEL"}`, "security_token"},
	}
	for _, tt := range tests {
		t.Run(tt.credentials, func(t *testing.T) {
			t.Parallel()
			code, output := harness.Validate(t, "credentials: "+tt.credentials)
			assert.NotZero(t, code)
			assert.Contains(t, output, "credentials::"+tt.key+": has a line break or another control character inside")
			for _, part := range []string{"SENT", "INEL"} {
				assert.NotContains(t, output, part)
			}
		})
	}
}

// TestControlCharactersInTheEnvironment: what only the start sees is rejected there, in the same way.
func TestControlCharactersInTheEnvironment(t *testing.T) {
	t.Parallel()
	code, output := harness.Run(t, []string{
		"REGION=cn-hangzhou", "ALIBABA_CLOUD_ACCESS_KEY_ID=a", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=SENT\nINEL",
		"HEALTH_CHECK_ENDPOINT=127.0.0.1:0", "METRICS_ENDPOINT=127.0.0.1:0", "TELEMETRY_HOST=127.0.0.1", "TELEMETRY_PORT=0",
	}, "--config="+harness.Config("prometheus-scrape.yaml"))
	assert.NotZero(t, code)
	assert.Contains(t, output, "access_key_secret has a line break or another control character inside")
	for _, part := range []string{"SENT", "INEL"} {
		assert.NotContains(t, output, part)
	}
}
