// Command dingtalk-relay signs messages for a DingTalk robot that demands a signature (加签). Alertmanager posts the
// message to it, and it posts the message to the robot.
//
// The URL of the robot and its secret are files, usually of a mounted Secret. They are read for each message, so that a
// change needs no restart.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"
	_ "golang.org/x/crypto/x509roots/fallback" // the image has no root certificates

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/dingtalk"
)

// What deploy/kubernetes/dingtalk-relay relies on.
const (
	defaultListen = ":8060"
	defaultFolder = "/etc/dingtalk"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger, err := zap.NewProduction(zap.WithCaller(false), zap.AddStacktrace(zap.FatalLevel))
	if err == nil {
		err = run(ctx, os.Args[1:], logger)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // the context has nothing left to end
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, logger *zap.Logger) error {
	flags := flag.NewFlagSet("dingtalk-relay", flag.ContinueOnError)
	listen := flags.String("listen", defaultListen, "address to listen on")
	urlFile := flags.String("url-file", defaultFolder+"/url", "file with the URL of the robot")
	secretFile := flags.String("secret-file", defaultFolder+"/secret", "file with the secret of the robot, which begins with SEC")
	if err := flags.Parse(args); err != nil {
		return err
	}
	address := files{*urlFile, *secretFile}.read
	robot, err := address()
	if err != nil {
		return err
	}
	if robot.IsPlain() {
		logger.Warn(dingtalk.PlainWarning)
	}
	server := &http.Server{
		Addr:              *listen,
		Handler:           newHandler(dingtalk.NewRobot(address), logger),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      sendLimit + 10*time.Second,
		IdleTimeout:       time.Minute,
	}
	done := make(chan error, 1)
	go func() { done <- server.ListenAndServe() }()
	logger.Info("Waiting for messages", zap.String("address", *listen))
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close() // Alertmanager sends again what is under way
	}
	return nil
}
