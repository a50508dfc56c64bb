package alicloud

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/internal/alicloud/alicloudtest"
)

func session(id string, lifetime time.Duration) *credential {
	return &credential{id: id, secret: "s", token: "t", lifetime: lifetime}
}

// fakeCache returns a cache of what ask returns, on a clock that stands still, and how many sources it built.
func fakeCache(ask source) (c *credentialCache, clock *time.Time, built *int) {
	clock, built = new(time.Time), new(int)
	*clock = time.Unix(1_700_000_000, 0)
	return &credentialCache{
		typ: CredentialURI,
		now: func() time.Time { return *clock },
		build: func() (source, error) {
			*built++
			return ask, nil
		},
	}, clock, built
}

func TestCacheRenewsInTime(t *testing.T) {
	tests := map[string]struct {
		lifetime time.Duration
		after    time.Duration
		asked    int
	}{
		"at once":                {lifetime: time.Hour, asked: 1},
		"just before the margin": {lifetime: time.Hour, after: time.Hour - sessionMargin - 1, asked: 1},
		"at the margin":          {lifetime: time.Hour, after: time.Hour - sessionMargin, asked: 2},
		"a key":                  {after: 1000 * time.Hour, asked: 1},
		"a session that is old":  {lifetime: sessionMargin, asked: 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			asked := 0
			c, clock, built := fakeCache(func(context.Context) (*credential, error) {
				asked++
				return session("a", tt.lifetime), nil
			})
			_, err := c.get(t.Context())
			require.NoError(t, err)
			*clock = clock.Add(tt.after)
			_, err = c.get(t.Context())
			require.NoError(t, err)
			assert.Equal(t, tt.asked, asked)
			assert.Equal(t, 1, *built)
		})
	}
}

func TestLateCallerFindsRenewedCredentials(t *testing.T) {
	asked := 0
	c, _, _ := fakeCache(func(context.Context) (*credential, error) {
		asked++
		return session("a", time.Hour), nil
	})
	for range 2 {
		_, err := c.renew(t.Context())
		require.NoError(t, err)
	}
	assert.Equal(t, 1, asked)
}

func TestCacheOutlivesAFailedRenewal(t *testing.T) {
	fail, asked := false, 0
	c, clock, built := fakeCache(func(context.Context) (*credential, error) {
		asked++
		if fail {
			return nil, &Error{Kind: KindNetwork, Message: "down"}
		}
		return session("a", time.Hour), nil
	})
	get := func() error {
		_, err := c.get(t.Context())
		return err
	}
	require.NoError(t, get())
	fail = true
	*clock = clock.Add(time.Hour - sessionMargin)
	for range 3 {
		require.NoError(t, get(), "the session is still valid")
	}
	assert.Equal(t, 2, asked, "a failed renewal is not repeated with every call")
	*clock = clock.Add(renewalPause)
	require.NoError(t, get())
	assert.Equal(t, 3, asked)

	*clock = clock.Add(sessionMargin - renewalPause - 1)
	require.NoError(t, get(), "the last moment of the session")
	*clock = clock.Add(renewalPause)
	err := get()
	assert.Equal(t, KindNetwork, KindOf(err))
	require.ErrorContains(t, err, "no credentials of type credentials_uri: down")
	assert.Equal(t, 4, *built, "a source that failed is built anew")

	fail = false
	assert.NoError(t, get())
}

func TestCacheDiscards(t *testing.T) {
	ids := []string{"a", "b", "c"}
	c, _, built := fakeCache(nil)
	c.build = func() (source, error) {
		id := ids[*built]
		*built++
		return func(context.Context) (*credential, error) { return session(id, time.Hour), nil }, nil
	}
	first, err := c.get(t.Context())
	require.NoError(t, err)
	for range 2 { // a second caller that was refused the same credentials changes nothing
		c.discard(first)
		second, err := c.get(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "b", second.id)
	}
}

func TestCacheFailsWhenDiscardedCredentialsCannotBeRenewed(t *testing.T) {
	fail := false
	c, _, _ := fakeCache(func(context.Context) (*credential, error) {
		if fail {
			return nil, &Error{Kind: KindBadCredentials}
		}
		return session("a", time.Hour), nil
	})
	cred, err := c.get(t.Context())
	require.NoError(t, err)
	fail = true
	c.discard(cred)
	_, err = c.get(t.Context())
	assert.Equal(t, KindBadCredentials, KindOf(err))
}

func TestCacheReportsSourcesThatCannotBeBuilt(t *testing.T) {
	c, _, _ := fakeCache(nil)
	c.build = func() (source, error) { return nil, errors.New("role_arn is empty") }
	_, err := c.get(t.Context())
	assert.Equal(t, KindBadCredentials, KindOf(err))
	assert.ErrorContains(t, err, "no credentials of type credentials_uri: role_arn is empty")
}

func TestCacheEndsWithTheContext(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	ask := sync.OnceFunc(func() { close(asked) })
	c, _, _ := fakeCache(func(context.Context) (*credential, error) {
		ask()
		<-release
		return session("a", time.Hour), nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err := c.get(ctx)
	assert.Equal(t, KindCanceled, KindOf(err))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "waiting for credentials of type credentials_uri")

	var wg sync.WaitGroup
	var cred *credential
	wg.Go(func() { cred, err = c.get(t.Context()) }) // a source that ignores the context goes on for others
	close(release)
	wg.Wait()
	require.NoError(t, err)
	assert.Equal(t, "a", cred.id)
}

// TestCacheSurvivesTheContextOfAnother shows that a caller whose renewal another one abandoned begins one of its own.
func TestCacheSurvivesTheContextOfAnother(t *testing.T) {
	asked := make(chan struct{}, 2)
	var calls atomic.Int32
	c, _, _ := fakeCache(func(ctx context.Context) (*credential, error) {
		asked <- struct{}{}
		if calls.Add(1) == 1 {
			<-ctx.Done()
			return nil, transportError(ctx.Err())
		}
		return session("a", time.Hour), nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := c.get(ctx)
		assert.Equal(t, KindCanceled, KindOf(err))
	})
	<-asked
	joined := make(chan struct{})
	c.mu.Lock() // the other caller waits here, and then at the renewal
	wg.Go(func() {
		close(joined)
		cred, err := c.get(t.Context())
		if assert.NoError(t, err) {
			assert.Equal(t, "a", cred.id)
		}
	})
	<-joined
	c.mu.Unlock()
	cancel()
	wg.Wait()
}

func TestCallersShareOneRenewal(t *testing.T) {
	const callers = 8
	var calls, waiting atomic.Int32
	release := make(chan struct{})
	c, clock, _ := fakeCache(func(context.Context) (*credential, error) {
		calls.Add(1)
		<-release
		return session("a", time.Hour), nil
	})
	now := *clock
	c.now = func() time.Time { // the last thing before the renewal
		if waiting.Add(1) == callers {
			close(release)
		}
		return now
	}
	c.current, c.expires = session("old", time.Minute), now
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			cred, err := c.get(t.Context())
			if assert.NoError(t, err) {
				assert.Equal(t, "a", cred.id)
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, calls.Load())
}

// TestCredentialsConcurrently is for the race detector: sessions that are always renewed, refused now and then.
func TestCredentialsConcurrently(t *testing.T) {
	var calls atomic.Int32
	endpoint, httpClient := alicloudtest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/credentials" {
			_, _ = io.WriteString(w, sessionJSON(time.Minute))
			return
		}
		if err := alicloudtest.CheckSignature(r, sessionSecret); err != nil {
			t.Error(err)
		}
		if calls.Add(1)%5 == 0 {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"Code":"InvalidSecurityToken.Expired"}`)
			return
		}
		_, _ = io.WriteString(w, goodReply)
	})
	c := newTestClient(t, Settings{
		Endpoint: endpoint, HTTPClient: httpClient,
		Credentials: CredentialSettings{Type: CredentialURI, URL: endpoint + "/credentials"},
	})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 5 {
				if err := ask(t.Context(), c); err != nil {
					assert.Equal(t, KindExpiredToken, KindOf(err), err)
				}
			}
		})
	}
	wg.Wait()
}
