package alicloud

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud/alicloudtest"
)

// TestSignature has the example of Alibaba Cloud's documentation (V3 request structure and signature) and one of CloudMonitor.
func TestSignature(t *testing.T) {
	tests := map[string]struct {
		host  string
		call  Call
		cred  credential
		stamp stamp
		want  string
	}{
		"ECS, documented": {
			host: "ecs.cn-shanghai.aliyuncs.com",
			call: Call{Action: "RunInstances", Version: "2014-05-26", Query: url.Values{
				"ImageId": {"win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}, "RegionId": {"cn-shanghai"},
			}},
			cred:  credential{id: "YourAccessKeyId", secret: "YourAccessKeySecret"},
			stamp: stamp{date: time.Date(2023, 10, 26, 10, 22, 32, 0, time.UTC), nonce: "3156853299f313e23d1673dc12e1703d"},
			want:  "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
		},
		"CloudMonitor": {
			host: "metrics.cn-hangzhou.aliyuncs.com",
			call: Call{Action: "DescribeMetricList", Version: "2019-01-01", Query: url.Values{
				"Namespace": {"acs_kafka"}, "MetricName": {"message_accumulation"}, "Period": {"60"}, "Length": {"1000"},
				"StartTime": {"1700000000000"}, "EndTime": {"1700000300000"}, "Dimensions": {`[{"instanceId":"alikafka_post-cn-abc"}]`},
			}},
			cred:  credential{id: "testid", secret: "testsecret"},
			stamp: stamp{date: time.Date(2023, 11, 15, 6, 18, 20, 0, time.FixedZone("", 8*60*60)), nonce: "0123456789abcdef0123456789abcdef"},
			want:  "f1673ba9b88e3f3431f492b3c920ed3a531bc890a7d7c848e9f9baf8c4437051",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			req, err := tt.call.request(t.Context(), endpoint{scheme: "https", host: tt.host}, &tt.cred, tt.stamp)
			require.NoError(t, err)
			assert.Equal(t, http.MethodPost, req.Method)
			assert.Equal(t, "ACS3-HMAC-SHA256 Credential="+tt.cred.id+
				",SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature="+tt.want,
				req.Header.Get("Authorization"))
			assert.NoError(t, alicloudtest.CheckSignature(req, tt.cred.secret))
		})
	}
}

func TestUnsignedRequest(t *testing.T) {
	c := Call{Action: "AssumeRoleWithOIDC", Version: stsVersion, form: url.Values{"OIDCToken": {"a b"}}}
	req, err := c.request(t.Context(), endpoint{scheme: "https", host: "sts.aliyuncs.com"}, nil, newStamp())
	require.NoError(t, err)
	assert.Empty(t, req.Header.Get("Authorization"))
	assert.Equal(t, "application/x-www-form-urlencoded", req.Header.Get("Content-Type"))
	assert.Equal(t, "https://sts.aliyuncs.com/", req.URL.String())
	require.NoError(t, req.ParseForm())
	assert.Equal(t, c.form, req.PostForm)
}
