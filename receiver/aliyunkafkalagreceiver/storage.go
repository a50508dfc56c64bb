package aliyunkafkalagreceiver

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

const (
	watermarksKey = "watermarks"
	rejectedKey   = "watermarks.rejected" // keeps a record that could not be used, for somebody to look at
	recordVersion = 1
	saveTimeout   = 5 * time.Second
)

// watermarkStore keeps the watermarks over restarts, in a storage extension.
type watermarkStore struct {
	client  storage.Client
	region  string
	period  string
	logger  *zap.Logger
	failing bool // the last save failed
}

// record is what is stored, as JSON.
type record struct {
	Version int             `json:"version"`
	Region  string          `json:"region"`
	Period  string          `json:"period"`
	Series  []lag.Watermark `json:"series"`
}

// openStore returns the store in the configured extension. If that cannot open its file, which is logged, the store keeps
// nothing: a corrupt file must not leave the scaler without numbers. file_storage sets aside only some corrupt files itself.
func openStore(ctx context.Context, host component.Host, cfg *Config, set receiver.Settings) (*watermarkStore, error) {
	extension, found := host.GetExtensions()[*cfg.Storage]
	if !found {
		return nil, fmt.Errorf("storage: extension %q is not configured; add it to extensions and to service::extensions", cfg.Storage)
	}
	provider, ok := extension.(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("storage: extension %q is not a storage extension; use file_storage for example", cfg.Storage)
	}
	client, err := provider.GetClient(ctx, component.KindReceiver, set.ID, "")
	if err != nil {
		set.Logger.Error("Cannot open the storage, so the watermarks are not kept and the points since the last run are not read again; "+
			"if its file is corrupt, remove it, and if another collector uses it, give each a directory of its own",
			zap.Stringer("storage", cfg.Storage), zap.Error(err))
		client = storage.NewNopClient()
	}
	return &watermarkStore{client: client, region: cfg.Region, period: cfg.Period.String(), logger: set.Logger}, nil
}

// load returns the watermarks that were saved. What cannot be used is set aside and logged: then the receiver starts as
// it does without storage.
func (s *watermarkStore) load(ctx context.Context, now time.Time) []lag.Watermark {
	data, err := s.client.Get(ctx, watermarksKey)
	if err != nil {
		s.logger.Error("Cannot read the watermarks from storage; the points since the last run are not read again", zap.Error(err))
	}
	if err != nil || data == nil {
		return nil
	}
	marks, err := s.parse(data, now)
	if err == nil {
		s.logger.Info("Continuing from the stored watermarks", zap.Int("series", len(marks)))
		return marks
	}
	s.logger.Error("The stored watermarks cannot be used and are set aside; the points since the last run are not read again",
		zap.Error(err), zap.String("set_aside_as", rejectedKey))
	if err := s.client.Set(ctx, rejectedKey, data); err != nil {
		s.logger.Error("Cannot set the stored watermarks aside", zap.Error(err))
	}
	return nil
}

func (s *watermarkStore) parse(data []byte, now time.Time) ([]lag.Watermark, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("not a record of watermarks: %w", err)
	}
	switch {
	case r.Version != recordVersion:
		return nil, fmt.Errorf("version %d, expected %d", r.Version, recordVersion)
	case r.Region != s.region:
		return nil, fmt.Errorf("region %q, expected %q", r.Region, s.region)
	case r.Period != s.period:
		return nil, fmt.Errorf("period %s, expected %s", r.Period, s.period)
	}
	for _, w := range r.Series {
		if at := time.UnixMilli(w.Timestamp); w.Timestamp <= 0 || at.After(now.Add(maxClockError)) {
			return nil, fmt.Errorf("watermark %s of group %q lies in the future or before 1970", at.UTC().Format(time.RFC3339), w.Key.Group)
		}
	}
	return r.Series, nil
}

// save stores the watermarks, also when the shutdown has begun or the time of the scrape is over. It logs when that begins to fail and when it works again.
func (s *watermarkStore) save(ctx context.Context, marks []lag.Watermark) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	data, err := json.Marshal(record{Version: recordVersion, Region: s.region, Period: s.period, Series: marks})
	if err == nil {
		err = s.client.Set(ctx, watermarksKey, data)
	}
	if failed := s.failing; failed != (err != nil) {
		s.failing = !failed
		if failed {
			s.logger.Info("Storing the watermarks again")
		} else {
			s.logger.Error("Cannot store the watermarks; a restart would miss or repeat points", zap.Error(err))
		}
	}
}
