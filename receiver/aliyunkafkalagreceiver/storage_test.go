package aliyunkafkalagreceiver

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/cms"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/receiver/aliyunkafkalagreceiver/internal/lag"
)

const storageYAML = minimalYAML + "storage: file_storage\n"

var (
	storageID = component.MustNewID("file_storage")
	errDisk   = errors.New("disk full")
)

// fakeStorage is a storage extension with one client, itself.
type fakeStorage struct {
	component.StartFunc
	component.ShutdownFunc
	storage.Client // what the receiver does not use

	data                    map[string]string
	mu                      sync.Mutex
	openErr, getErr, setErr error
	owner                   string // of the client: kind, receiver and name
	closed                  int
}

var _ storage.Extension = (*fakeStorage)(nil)

func newFakeStorage() *fakeStorage {
	return &fakeStorage{Client: storage.NewNopClient(), data: map[string]string{}}
}

func (f *fakeStorage) GetClient(_ context.Context, kind component.Kind, id component.ID, name string) (storage.Client, error) {
	f.owner = kind.String() + " " + id.String() + " " + name
	if f.openErr != nil {
		return nil, f.openErr
	}
	return f, nil
}

func (f *fakeStorage) Get(_ context.Context, key string) ([]byte, error) {
	if value, ok := f.data[key]; ok && f.getErr == nil {
		return []byte(value), nil
	}
	return nil, f.getErr
}

func (f *fakeStorage) Set(ctx context.Context, key string, value []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(ctx.Err(), f.setErr); err != nil {
		return err
	}
	f.data[key] = string(value)
	return nil
}

// failSet makes Set fail with err, or succeed if it is nil. Unlike the field it can be used while the receiver runs.
func (f *fakeStorage) failSet(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.setErr = err
}

func (f *fakeStorage) value(key string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.data[key]
}

func (f *fakeStorage) Close(context.Context) error {
	f.closed++
	return nil
}

// storageHost is a host with one extension.
type storageHost struct {
	component.Host
	extension component.Component
}

func (h storageHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{storageID: h.extension}
}

func (h *harness) startWith(extension component.Component) {
	require.NoError(h.t, h.receiver.Start(h.t.Context(), storageHost{componenttest.NewNopHost(), extension}))
}

func recordJSON(t *testing.T, r record) string {
	t.Helper()
	data, err := json.Marshal(r)
	require.NoError(t, err)
	return string(data)
}

func TestLoadWatermarks(t *testing.T) {
	now := time.UnixMilli(deliveryNow)
	mark := func(timestamp int64) lag.Watermark {
		return lag.Watermark{Metric: cms.MetricAccumulation, Key: lag.Key{Instance: "i", Group: "a"}, Account: "1", Timestamp: timestamp}
	}
	marks := func(timestamp int64) string {
		return recordJSON(t, record{recordVersion, "cn-hangzhou", "1m0s", []lag.Watermark{mark(deliveryNow), mark(timestamp)}})
	}
	limit := deliveryNow + maxClockError.Milliseconds()
	const unusable, future = "cannot be used and are set aside", `group "a" lies in the future or before 1970`
	tests := []struct {
		name   string
		stored string
		getErr error
		setErr error
		series int
		log    []string // a part of each message
		err    string   // a part of the error in the first
	}{
		{name: "nothing stored"},
		{name: "stored", stored: marks(1), series: 2, log: []string{"Continuing from the stored watermarks"}},
		{name: "as far ahead as clocks may be", stored: marks(limit), series: 2, log: []string{"Continuing"}},
		{name: "no series", stored: recordJSON(t, record{Version: recordVersion, Region: "cn-hangzhou", Period: "1m0s"}), log: []string{"Continuing"}},
		{name: "Get fails", stored: marks(1), getErr: errDisk, log: []string{"Cannot read the watermarks"}, err: "disk full"},
		{name: "corrupt", stored: `{"version":1,`, log: []string{unusable}, err: "not a record of watermarks"},
		{name: "empty", stored: "", log: []string{unusable}, err: "not a record of watermarks"},
		{name: "other version", stored: recordJSON(t, record{2, "cn-hangzhou", "1m0s", nil}), log: []string{unusable}, err: "version 2, expected 1"},
		{name: "other region", stored: recordJSON(t, record{1, "cn-beijing", "1m0s", nil}), log: []string{unusable}, err: `region "cn-beijing", expected "cn-hangzhou"`},
		{name: "other period", stored: recordJSON(t, record{1, "cn-hangzhou", "15s", nil}), log: []string{unusable}, err: "period 15s, expected 1m0s"},
		{name: "in the future", stored: marks(limit + 1), log: []string{unusable}, err: "watermark 1970-01-12T14:01:40Z of " + future},
		{name: "before 1970", stored: marks(0), log: []string{unusable}, err: future},
		{name: "cannot be set aside", stored: "x", setErr: errDisk, log: []string{unusable, "Cannot set the stored watermarks aside"}, err: "not a record"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			f := newFakeStorage()
			f.getErr, f.setErr = tt.getErr, tt.setErr
			if tt.name != "nothing stored" {
				f.data[watermarksKey] = tt.stored
			}
			s := &watermarkStore{client: f, region: "cn-hangzhou", period: time.Minute.String(), logger: zap.New(core)}
			assert.Len(t, s.load(t.Context(), now), tt.series)

			got := logs.All()
			require.Len(t, got, len(tt.log), "%v", got)
			for i, message := range tt.log {
				assert.Contains(t, got[i].Message, message)
				assert.Equal(t, tt.err != "", got[i].Level == fault)
			}
			switch {
			case tt.err != "":
				assert.Contains(t, got[0].ContextMap()["error"], tt.err)
			case len(got) > 0:
				assert.Equal(t, int64(tt.series), got[0].ContextMap()["series"])
			}
			aside, isAside := f.data[rejectedKey]
			assert.Equal(t, tt.err != "" && tt.getErr == nil && tt.setErr == nil, isAside)
			if isAside {
				assert.Equal(t, tt.stored, aside)
				assert.Equal(t, "watermarks.rejected", got[0].ContextMap()["set_aside_as"])
			}
		})
	}
}

// TestARestartWithStorage: the points of the downtime are delivered, and none is repeated.
func TestARestartWithStorage(t *testing.T) {
	inBubble(t, storageYAML, func(t *testing.T, h *harness) {
		f := newFakeStorage()
		h.startWith(f)
		h.minute("a", "b")
		h.minute("a", "b")
		require.NoError(t, h.receiver.Shutdown(t.Context()))
		assert.Equal(t, "Receiver aliyunkafkalag ", f.owner)
		assert.Equal(t, 1, f.closed, "the client is closed at shutdown")
		assert.Zero(t, h.logged("stored watermarks"))
		assert.NotContains(t, f.data, rejectedKey)
		h.received()

		h.create(storageYAML)
		h.minute("a") // nothing runs
		h.minute("a")
		h.startWith(f)
		h.minute("a", "b")
		assert.Equal(t, 1, h.logged("Continuing from the stored watermarks"))
		got := h.received()
		assert.Len(t, got["i/a"], 3, "two of the downtime and the present")
		assert.Len(t, got["i/b"], 1)
		for key, samples := range h.backend.stored {
			for i := range samples[1:] {
				assert.Less(t, samples[i].Timestamp, samples[i+1].Timestamp, key)
			}
		}
	})
}

func TestStorageThatCannotBeUsed(t *testing.T) {
	for name, change := range map[string]func(f *fakeStorage){
		"corrupt":     func(f *fakeStorage) { f.data[watermarksKey] = "{" },
		"Get fails":   func(f *fakeStorage) { f.getErr = errDisk },
		"cannot open": func(f *fakeStorage) { f.openErr = errDisk },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, storageYAML, func(t *testing.T, h *harness) {
				f := newFakeStorage()
				change(f)
				h.startWith(f)
				assert.Equal(t, 1, h.logs.FilterLevelExact(fault).Len())
				h.minute("a")
				assert.Len(t, h.received()["i/a"], 1, "it reads as without storage")
				assert.Equal(t, f.openErr == nil, f.data[watermarksKey] != "" && f.data[watermarksKey] != "{", "and stores again")
				require.NoError(t, h.receiver.Shutdown(t.Context()))
			})
		})
	}
}

func TestStoringFailsAndRecovers(t *testing.T) {
	inBubble(t, storageYAML, func(t *testing.T, h *harness) {
		f := newFakeStorage()
		h.startWith(f)
		for _, step := range []struct {
			err               error
			failed, recovered int // log lines so far
		}{
			{nil, 0, 0}, {errDisk, 1, 0}, {errDisk, 1, 0}, {nil, 1, 1}, {nil, 1, 1}, {errDisk, 2, 1},
		} {
			f.setErr = step.err
			h.minute("a")
			assert.Equal(t, step.failed, h.logged("Cannot store the watermarks"))
			assert.Equal(t, step.recovered, h.logged("Storing the watermarks again"))
		}
		failed := h.logs.FilterMessageSnippet("Cannot store").All()[0]
		assert.Equal(t, fault, failed.Level)
		assert.Equal(t, "disk full", failed.ContextMap()["error"])
		assert.Len(t, h.received()["i/a"], 6, "the delivery is not affected")
	})
}

// TestWatermarksOfTheLastDelivery: what is accepted after the shutdown began is stored.
func TestWatermarksOfTheLastDelivery(t *testing.T) {
	inBubble(t, storageYAML, func(t *testing.T, h *harness) {
		f := newFakeStorage()
		h.startWith(f)
		at := time.Now().UnixMilli()
		h.cms.publish(point("a", at, 1))
		h.backend.setAnswer(func(context.Context, int, pmetric.Metrics) error {
			time.Sleep(shutdownGrace * 4 / 5)
			return nil
		})
		time.Sleep(30*time.Second + shutdownGrace/5)
		synctest.Wait()
		require.NoError(t, h.receiver.Shutdown(t.Context()))
		assert.JSONEq(t, recordJSON(t, record{recordVersion, "cn-hangzhou", "1m0s", []lag.Watermark{{
			Metric: cms.MetricAccumulation, Key: lag.Key{Instance: "i", Group: "a"}, Account: "1", Timestamp: at,
		}}}), f.data[watermarksKey])
		assert.Zero(t, h.logged("Cannot store"))
	})
}

func TestStorageExtensionIsWrong(t *testing.T) {
	for want, host := range map[string]component.Host{
		`storage: extension "file_storage" is not configured; add it to extensions and to service::extensions`: componenttest.NewNopHost(),
		`storage: extension "file_storage" is not a storage extension; use file_storage for example`: storageHost{extension: struct {
			component.StartFunc
			component.ShutdownFunc
		}{}},
	} {
		inBubble(t, storageYAML, func(t *testing.T, h *harness) {
			require.EqualError(t, h.receiver.Start(t.Context(), host), want)
			require.NoError(t, h.receiver.Shutdown(t.Context()))
			assert.Zero(t, h.cms.calls())
		})
	}
}

// TestRecordFormat: what one release stores, the next one has to read.
func TestRecordFormat(t *testing.T) {
	const stored = `{"version":1,"region":"cn-hangzhou","period":"1m0s","series":[` +
		`{"Metric":"m","Key":{"Instance":"i","Group":"g","Topic":""},"Account":"1","Timestamp":5}]}`
	assert.JSONEq(t, stored, recordJSON(t, record{recordVersion, "cn-hangzhou", "1m0s", []lag.Watermark{
		{Metric: "m", Key: lag.Key{Instance: "i", Group: "g"}, Account: "1", Timestamp: 5},
	}}))
}
