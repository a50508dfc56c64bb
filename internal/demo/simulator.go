package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/cmssim"
)

// simulator is a simulated CloudMonitor that listens on a loopback port.
type simulator struct {
	url    string
	cms    *cmssim.Server
	server *http.Server
}

func startSimulator(ctx context.Context, sc cmssim.Scenario) (*simulator, error) {
	cms, err := cmssim.New(cmssim.Options{Scenario: sc})
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: cms, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with stop
	return &simulator{url: "http://" + listener.Addr().String(), cms: cms, server: server}, nil
}

// env is what the collector needs to know of it.
func (s *simulator) env() []string {
	return []string{
		"CMS_ENDPOINT=" + s.url,
		"ALIBABA_CLOUD_ACCESS_KEY_ID=" + cmssim.AccessKeyID,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET=" + cmssim.AccessKeySecret,
	}
}

func (s *simulator) stop() {
	s.cms.Close()
	_ = s.server.Close() // nothing is left to save
}
