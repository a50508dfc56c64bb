package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/dingtalk"
)

const (
	// sendLimit is how long a message is tried. It has to be less than the timeout of Alertmanager's webhook.
	sendLimit = 45 * time.Second
	// maxWaiting is how many messages may be under way at once.
	maxWaiting = 20
)

// sender sends a message to the robot.
type sender interface {
	Send(ctx context.Context, message []byte) error
}

// handler takes messages by POST /send. Its status tells Alertmanager what to do: 2xx delivered, 4xx give up, 5xx try again.
type handler struct {
	robot   sender
	logger  *zap.Logger
	waiting chan struct{}
}

func newHandler(robot sender, logger *zap.Logger) http.Handler {
	h := &handler{robot, logger, make(chan struct{}, maxWaiting)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /send", h.send)
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	return mux
}

func (h *handler) send(w http.ResponseWriter, r *http.Request) {
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		h.reject(w, http.StatusServiceUnavailable, errors.New("too many messages are waiting"))
		return
	}
	message, err := io.ReadAll(http.MaxBytesReader(w, r.Body, dingtalk.MaxBytes))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		h.reject(w, http.StatusRequestEntityTooLarge, errors.New("the message has more than 20,000 bytes"))
		return
	case err != nil:
		h.reject(w, http.StatusBadRequest, err)
		return
	case !json.Valid(message):
		h.reject(w, http.StatusBadRequest, errors.New("the message is not JSON: the receiver in Alertmanager needs the payload of the DingTalk template"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), sendLimit)
	defer cancel()
	switch err := h.robot.Send(ctx, message); {
	case err == nil:
		h.logger.Info("Delivered a message", zap.Int("bytes", len(message)))
	case dingtalk.IsTemporary(err):
		h.reject(w, http.StatusBadGateway, err)
	default:
		h.reject(w, http.StatusUnprocessableEntity, err)
	}
}

// reject answers with a status, and logs why.
func (h *handler) reject(w http.ResponseWriter, status int, err error) {
	h.logger.Error("A message was not delivered", zap.Int("status", status), zap.Error(err))
	http.Error(w, err.Error(), status)
}
