package harness

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
)

// Secrets are the credentials of the tests. They must not appear in anything that is printed.
var Secrets = []string{cmssim.AccessKeySecret, cmssim.SessionSecretPrefix, cmssim.SessionTokenPrefix, "SENTINEL"}

// CMS is a simulated CloudMonitor and STS that a collector can be pointed at.
type CMS struct {
	*cmssim.Server
	URL string
	// Address is the host and port of URL.
	Address string
	// CAFile has the certificate of a secure one, in PEM.
	CAFile string
	t      testing.TB
}

// StartCMS serves a simulated CloudMonitor with the given scenario over HTTP.
func StartCMS(t testing.TB, scenario cmssim.Scenario) *CMS {
	t.Helper()
	c, server := newCMS(t, scenario)
	server.Start()
	c.URL, c.Address = server.URL, server.Listener.Addr().String()
	return c
}

// StartSecureCMS serves a simulated CloudMonitor with the given scenario over HTTPS and HTTP/2. Its certificate is valid for
// 127.0.0.1 and for the hosts of the region cn-hangzhou, which a [Proxy] can lead here.
func StartSecureCMS(t testing.TB, scenario cmssim.Scenario) *CMS {
	t.Helper()
	c, server := newCMS(t, scenario)
	c.CAFile = startTLS(t, server)
	c.URL, c.Address = server.URL, server.Listener.Addr().String()
	return c
}

func newCMS(t testing.TB, scenario cmssim.Scenario) (*CMS, *httptest.Server) {
	t.Helper()
	sim, err := cmssim.New(cmssim.Options{Scenario: scenario})
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(sim)
	t.Cleanup(func() {
		sim.Close()
		server.CloseClientConnections()
		server.Close()
	})
	return &CMS{Server: sim, t: t}, server
}

// Publish publishes a point of a group now.
func (c *CMS) Publish(instance, group string, timestamp time.Time, value float64) Sample {
	c.t.Helper()
	require.NoError(c.t, c.AddPoints(cmssim.Point{
		Timestamp: timestamp, InstanceID: instance, ConsumerGroup: group, Statistics: map[string]float64{"Value": value},
	}))
	return Sample{Timestamp: timestamp.UnixMilli(), Value: value}
}

// Fail makes calls fail until ClearFaults.
func (c *CMS) Fail(kind cmssim.FaultKind) {
	c.t.Helper()
	require.NoError(c.t, c.InjectFault(cmssim.Fault{Kind: kind}))
}

// AwaitScrapes waits until n more calls have been answered.
func (c *CMS) AwaitScrapes(n uint64) {
	c.t.Helper()
	want := c.RequestCount() + n
	Eventually(c.t, func() bool { return c.RequestCount() >= want }, "%d calls to CloudMonitor", n)
}
