package cms

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeProvider is a provider of the SDK.
type fakeProvider func() (*providers.Credentials, error)

func (f *fakeProvider) GetCredentials() (*providers.Credentials, error) { return (*f)() }
func (*fakeProvider) GetProviderName() string                           { return "fake" }

func key(id string) *providers.Credentials {
	return &providers.Credentials{AccessKeyId: id, AccessKeySecret: "s"}
}

// fakeSource returns a source on a clock that stands still, and how many providers it built.
func fakeSource(ask fakeProvider) (s *credentialSource, clock *time.Time, built *int) {
	clock, built = new(time.Time), new(int)
	return &credentialSource{
		settings: CredentialSettings{Type: CredentialURI},
		now:      func() time.Time { return *clock },
		build: func() (providers.CredentialsProvider, error) {
			*built++
			return &ask, nil
		},
	}, clock, built
}

func TestSourceKeepsItsProvider(t *testing.T) {
	s, _, built := fakeSource(func() (*providers.Credentials, error) { return key("a"), nil })
	for range 3 {
		cred, err := s.get(t.Context())
		require.NoError(t, err)
		assert.Equal(t, key("a"), cred)
	}
	assert.Equal(t, 1, *built)
}

func TestSourceOutlivesAFailedRenewal(t *testing.T) {
	fail := false
	s, clock, built := fakeSource(func() (*providers.Credentials, error) {
		if fail {
			return nil, errors.New("down")
		}
		return key("a"), nil
	})
	_, err := s.get(t.Context())
	require.NoError(t, err)

	fail = true
	*clock = clock.Add(sessionMargin - 1)
	cred, err := s.get(t.Context())
	require.NoError(t, err, "the session is still good")
	assert.Equal(t, key("a"), cred)

	*clock = clock.Add(1)
	_, err = s.get(t.Context())
	assert.Equal(t, KindBadCredentials, KindOf(err))
	assert.Equal(t, 2, *built, "a provider that failed is built anew")

	fail = false
	_, err = s.get(t.Context())
	assert.NoError(t, err)
}

func TestSourceDiscards(t *testing.T) {
	ids := []string{"a", "b", "c"}
	s, _, built := fakeSource(nil)
	s.build = func() (providers.CredentialsProvider, error) {
		id := ids[*built]
		*built++
		ask := fakeProvider(func() (*providers.Credentials, error) { return key(id), nil })
		return &ask, nil
	}
	first, err := s.get(t.Context())
	require.NoError(t, err)
	for range 2 { // a second worker that was refused the same credentials changes nothing
		s.discard(first)
		second, err := s.get(t.Context())
		require.NoError(t, err)
		assert.Equal(t, key("b"), second)
	}
}

func TestSourceFailsWhenDiscardedCredentialsCannotBeRenewed(t *testing.T) {
	fail := false
	s, _, _ := fakeSource(func() (*providers.Credentials, error) {
		if fail {
			return nil, errors.New("down")
		}
		return key("a"), nil
	})
	cred, err := s.get(t.Context())
	require.NoError(t, err)
	fail = true
	s.discard(cred)
	_, err = s.get(t.Context())
	assert.Equal(t, KindBadCredentials, KindOf(err))
}

func TestSourceSurvivesBadProviders(t *testing.T) {
	tests := map[string]fakeProvider{
		"panics":    func() (*providers.Credentials, error) { panic("nil dereference with " + testSecret) },
		"nothing":   func() (*providers.Credentials, error) { return nil, nil },
		"no secret": func() (*providers.Credentials, error) { return &providers.Credentials{AccessKeyId: "a"}, nil },
		"no ID":     func() (*providers.Credentials, error) { return &providers.Credentials{AccessKeySecret: "a"}, nil },
	}
	for name, ask := range tests {
		t.Run(name, func(t *testing.T) {
			s, _, _ := fakeSource(ask)
			_, err := s.get(t.Context())
			assert.Equal(t, KindBadCredentials, KindOf(err))
			assertNoSecret(t, err)
		})
	}
}

func TestSourceReportsProvidersThatCannotBeBuilt(t *testing.T) {
	s, _, _ := fakeSource(nil)
	s.build = func() (providers.CredentialsProvider, error) { return nil, errors.New("the RoleArn is empty") }
	_, err := s.get(t.Context())
	assert.Equal(t, KindBadCredentials, KindOf(err))
}

func TestSourceEndsWithTheContext(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	ask := sync.OnceFunc(func() { close(asked) })
	s, _, _ := fakeSource(func() (*providers.Credentials, error) {
		ask()
		<-release
		return key("a"), nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err := s.get(ctx)
	assert.Equal(t, KindCanceled, KindOf(err))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "waiting for credentials of type credentials_uri")

	var wg sync.WaitGroup
	var cred *providers.Credentials
	wg.Go(func() { cred, err = s.get(t.Context()) }) // the fetch goes on for others
	close(release)
	wg.Wait()
	require.NoError(t, err)
	assert.Equal(t, key("a"), cred)
}

// TestSourceConcurrently is for the race detector: sessions that are never good for long, refused now and then.
func TestSourceConcurrently(t *testing.T) {
	var calls atomic.Int32
	endpoint, httpClient := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/credentials" {
			_, _ = io.WriteString(w, sessionJSON(time.Second))
			return
		}
		if err := checkSignature(r, sessionSecret); err != nil {
			t.Error(err)
		}
		if calls.Add(1)%5 == 0 {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"Code":"InvalidSecurityToken.Expired"}`)
			return
		}
		_, _ = io.WriteString(w, onePoint)
	})
	c := newTestClient(t, Settings{
		Endpoint: endpoint, HTTPClient: httpClient, Concurrency: 8,
		Credentials: CredentialSettings{Type: CredentialURI, URL: endpoint + "/credentials"},
	})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 5 {
				if _, err := c.DescribeMetricList(t.Context(), testQuery); err != nil {
					assert.Equal(t, KindExpiredToken, KindOf(err), err)
				}
			}
		})
	}
	wg.Wait()
}
