package cms

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/aliyun/credentials-go/credentials"
	"github.com/aliyun/credentials-go/credentials/providers"
)

// worker makes one call at a time: the SDK signs, the exchange carries, the decoder reads.
type worker struct {
	sdk      *openapi.Client
	exchange exchange
	decoder  decoder
}

func newWorker(e endpoint, userAgent string, httpClient *http.Client) (*worker, error) {
	w := &worker{exchange: newExchange(httpClient)}
	sdk, err := openapi.NewClient(&openapiutil.Config{
		Endpoint:   dara.String(e.host),
		Protocol:   dara.String(e.scheme),
		UserAgent:  dara.String(userAgent),
		HttpClient: &w.exchange,
		// The exchange knows its proxy. Without this the SDK would send the password in HTTPS_PROXY to CMS.
		NoProxy: dara.String(e.host),
	})
	w.sdk = sdk
	return w, err
}

// describeMetricList tells the SDK how to call the API. With the body type "binary" the SDK leaves the reply alone.
var describeMetricList = &openapiutil.Params{
	Action:      dara.String("DescribeMetricList"),
	Version:     dara.String("2019-01-01"),
	Pathname:    dara.String("/"),
	Method:      dara.String("POST"),
	AuthType:    dara.String("AK"),
	Style:       dara.String("RPC"),
	ReqBodyType: dara.String("formData"),
	BodyType:    dara.String("binary"),
}

func (w *worker) describe(ctx context.Context, cred *providers.Credentials, q Query) (Page, *Error) {
	w.sdk.Credential = credentials.FromCredentialsProvider("sts", snapshot{cred})
	_, err := w.sdk.CallApiWithCtx(ctx, describeMetricList, &openapiutil.OpenApiRequest{Query: q.parameters()}, &dara.RuntimeOptions{})
	if err != nil {
		return Page{}, transportError(err).redact(cred)
	}
	page, failure := w.decoder.decode(&w.exchange.reply, q.MetricName == MetricTopicAccumulation)
	if failure != nil {
		return Page{}, failure.redact(cred)
	}
	return page, nil
}

// parameters gives the query the names and formats of CloudMonitor DescribeMetricList.
func (q Query) parameters() map[string]*string {
	p := map[string]*string{
		"Namespace":  dara.String("acs_kafka"),
		"MetricName": dara.String(q.MetricName),
		"Period":     dara.String(strconv.FormatInt(int64(q.Period/time.Second), 10)),
		"StartTime":  dara.String(strconv.FormatInt(q.Start, 10)),
		"EndTime":    dara.String(strconv.FormatInt(q.End, 10)),
		"Length":     dara.String(strconv.Itoa(PageLength)),
	}
	if len(q.Instances) > 0 {
		p["Dimensions"] = dara.String(dimensions(q.Instances))
	}
	if q.NextToken != "" {
		p["NextToken"] = dara.String(q.NextToken)
	}
	return p
}

// dimensions returns [{"instanceId":"…"},…].
func dimensions(instances []string) string {
	type dimension struct {
		InstanceID string `json:"instanceId"`
	}
	list := make([]dimension, len(instances))
	for i, id := range instances {
		list[i].InstanceID = id
	}
	b, _ := json.Marshal(list) // strings always marshal
	return string(b)
}

// snapshot hands the SDK credentials that were fetched before, so that signing never waits for the network.
type snapshot struct{ cred *providers.Credentials }

func (s snapshot) GetCredentials() (*providers.Credentials, error) { return s.cred, nil }
func (s snapshot) GetProviderName() string                         { return s.cred.ProviderName }
