package cmssim

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/aliyun/credentials-go/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestSignatureVectors(t *testing.T) {
	tests := map[string]struct {
		host, action, version, date, nonce string
		params                             url.Values
		secret                             string
		want                               string
	}{
		"Alibaba Cloud's documentation of V3": {
			host: "ecs.cn-shanghai.aliyuncs.com", action: "RunInstances", version: "2014-05-26",
			date: "2023-10-26T10:22:32Z", nonce: "3156853299f313e23d1673dc12e1703d",
			params: url.Values{"ImageId": {"win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}, "RegionId": {"cn-shanghai"}},
			secret: "YourAccessKeySecret",
			want:   "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
		},
		"DescribeMetricList by the SDK": {
			host: "metrics.cn-hangzhou.aliyuncs.com", action: "DescribeMetricList", version: "2019-01-01",
			date: "2023-11-14T22:18:20Z", nonce: "0123456789abcdef0123456789abcdef",
			params: url.Values{
				"Namespace": {"acs_kafka"}, "MetricName": {"message_accumulation"}, "Period": {"60"}, "Length": {"1000"},
				"StartTime": {"1700000000000"}, "EndTime": {"1700000300000"},
				"Dimensions": {`[{"instanceId":"alikafka_post-cn-abc"}]`},
			},
			secret: "testsecret",
			want:   "f1673ba9b88e3f3431f492b3c920ed3a531bc890a7d7c848e9f9baf8c4437051",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+tt.host+"/?"+tt.params.Encode(), http.NoBody)
			r.Header.Set("x-acs-action", tt.action)
			r.Header.Set("x-acs-version", tt.version)
			r.Header.Set("x-acs-date", tt.date)
			r.Header.Set("x-acs-signature-nonce", tt.nonce)
			r.Header.Set("x-acs-content-sha256", emptyHash)
			assert.Equal(t, tt.want, signature(r, headersToSign(r), tt.secret))
		})
	}
}

// TestSDK makes calls as the Alibaba Cloud SDK does. Its clock cannot be set, so the server's is real.
func TestSDK(t *testing.T) {
	tests := map[string]struct {
		request func(map[string]*string) *openapiutil.OpenApiRequest
	}{
		"query string": {request: func(p map[string]*string) *openapiutil.OpenApiRequest {
			return &openapiutil.OpenApiRequest{Query: p}
		}},
		"form": {request: func(p map[string]*string) *openapiutil.OpenApiRequest {
			form := map[string]any{}
			for k, v := range p {
				form[k] = *v
			}
			return &openapiutil.OpenApiRequest{Body: form}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sim, err := New(Options{})
			require.NoError(t, err)
			server := httptest.NewServer(sim)
			defer server.Close()

			config := &credentials.Config{
				Type: dara.String("sts"), AccessKeyId: dara.String("testid"), AccessKeySecret: dara.String("testsecret"),
				SecurityToken: dara.String("any"),
			}
			cred, err := credentials.NewCredential(config)
			require.NoError(t, err)
			endpoint, err := url.Parse(server.URL)
			require.NoError(t, err)
			client, err := openapi.NewClient(&openapiutil.Config{
				Credential: cred, Endpoint: &endpoint.Host, Protocol: dara.String("http"),
				HttpClient: sdkTransport{server.Client()},
			})
			require.NoError(t, err)

			params := map[string]*string{}
			values := (&simulator{Server: sim}).params("Dimensions", `[{"instanceId":"a*b ~c/d+e"},{"instanceId":"中"}]`)
			for k := range values {
				params[k] = dara.String(values.Get(k))
			}
			reply, err := client.CallApi(&openapiutil.Params{
				Action: dara.String("DescribeMetricList"), Version: dara.String("2019-01-01"), Protocol: dara.String("HTTP"),
				Pathname: dara.String("/"), Method: dara.String("POST"), AuthType: dara.String("AK"), Style: dara.String("RPC"),
				ReqBodyType: dara.String("formData"), BodyType: dara.String("json"),
			}, tt.request(params), &dara.RuntimeOptions{})
			require.NoError(t, err)
			body, ok := reply["body"].(map[string]any)
			require.True(t, ok)
			assert.Equal(t, "[]", body["Datapoints"])
			assert.Equal(t, []string{"a*b ~c/d+e", "中"}, sim.Requests()[0].Instances)
		})
	}
}

// sdkTransport sends the SDK's requests with a client that tests close.
type sdkTransport struct{ client *http.Client }

func (s sdkTransport) Call(r *http.Request, _ *http.Transport) (*http.Response, error) {
	return s.client.Do(r)
}
