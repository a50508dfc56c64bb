package alicloud

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMetadataTokens shows when a request is made again without a token.
func TestMetadataTokens(t *testing.T) {
	const with, without = " token", " no token"
	tests := map[string]struct {
		v1Disabled string
		noTokens   bool // the service gives none
		onlyV1     bool // and accepts none
		asked      []string
		fails      bool
	}{
		"IMDSv2":             {asked: []string{"PUT", "found-role" + with}},
		"no tokens":          {noTokens: true, asked: []string{"PUT", "found-role" + without}},
		"token refused":      {onlyV1: true, asked: []string{"PUT", "found-role" + with, "found-role" + without}},
		"v1 disabled":        {v1Disabled: "True", asked: []string{"PUT", "found-role" + with}},
		"no tokens, no v1":   {v1Disabled: "true", noTokens: true, asked: []string{"PUT"}, fails: true},
		"token refused, too": {v1Disabled: "true", onlyV1: true, asked: []string{"PUT", "found-role" + with}, fails: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			t.Setenv("ALIBABA_CLOUD_IMDSV1_DISABLED", tt.v1Disabled)
			t.Setenv("ALIBABA_CLOUD_ECS_METADATA", "another-role")
			var asked []string
			c.answer = func(w http.ResponseWriter, r *http.Request) {
				token, hasToken := r.Header["X-Aliyun-Ecs-Metadata-Token"]
				switch {
				case r.Method == http.MethodPut:
					asked = append(asked, "PUT")
					assert.Equal(t, "60", r.Header.Get("X-Aliyun-Ecs-Metadata-Token-Ttl-Seconds"))
				case hasToken:
					asked = append(asked, r.URL.Path[len(metadataRolePath):]+with)
					assert.Equal(t, []string{"metadata-token"}, token)
				default:
					asked = append(asked, r.URL.Path[len(metadataRolePath):]+without)
				}
				if r.Method == http.MethodPut && tt.noTokens || hasToken && tt.onlyV1 {
					w.WriteHeader(http.StatusForbidden)
					_, _ = io.WriteString(w, "no-token")
					return
				}
				goodAnswer(w, r)
			}
			cache, _ := c.cache(t, CredentialSettings{Type: CredentialECSRAMRole, RoleName: " found-role\n"})
			cred, err := cache.get(t.Context())
			assert.Equal(t, tt.asked, asked)
			if tt.fails {
				assert.ErrorContains(t, err, "(HTTP 403)")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, sessionToken, cred.token)
			assert.InDelta(t, time.Hour.Seconds(), cred.lifetime.Seconds(), 5)
		})
	}
}

// TestMetadataServiceThatHangs shows that nothing goes on after the context has ended, neither dialling nor reading.
func TestMetadataServiceThatHangs(t *testing.T) {
	for _, hangs := range []string{"dialling", "answering"} {
		t.Run(hangs, func(t *testing.T) {
			c := newCloud(t)
			arrived, dialEnded := make(chan struct{}, 2), make(chan struct{})
			c.answer = func(_ http.ResponseWriter, r *http.Request) {
				arrived <- struct{}{}
				<-r.Context().Done()
			}
			settings := c.settings(CredentialSettings{Type: CredentialECSRAMRole})
			if hangs == "dialling" {
				settings.dialMetadata = func(ctx context.Context, _, _ string) (net.Conn, error) {
					arrived <- struct{}{}
					<-ctx.Done()
					close(dialEnded)
					return nil, ctx.Err()
				}
			}
			client := newTestClient(t, settings)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-arrived
				cancel()
			}()
			err := ask(ctx, client)
			assert.ErrorIs(t, err, context.Canceled)
			if hangs == "dialling" {
				<-dialEnded
			}
		})
	}
}
