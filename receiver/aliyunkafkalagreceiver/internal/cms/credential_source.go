package cms

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aliyun/credentials-go/credentials/providers"
	"golang.org/x/sync/singleflight"
)

// sessionMargin is how long before its end the SDK renews a session. So what a provider handed out stays good at
// least that long, even when the renewal then fails.
const sessionMargin = 180 * time.Second

// credentialSource makes the SDK's providers safe to use: they take no context and no lock, may panic on a reply
// without a field, and the default chain sticks to a provider that failed.
type credentialSource struct {
	settings CredentialSettings
	build    func() (providers.CredentialsProvider, error)
	now      func() time.Time

	mu      sync.Mutex
	current *provider              // nil: to be built anew
	last    *providers.Credentials // what current handed out last
	lastAt  time.Time
}

// provider is a provider of the SDK that one goroutine at a time asks.
type provider struct {
	providers.CredentialsProvider
	flight singleflight.Group
}

// newCredentialSource builds the first provider, so that settings that lack something are found at once.
func newCredentialSource(s CredentialSettings) (*credentialSource, error) {
	source := &credentialSource{settings: s, build: s.provider, now: time.Now}
	if _, err := source.provider(); err != nil {
		return nil, fmt.Errorf("credentials::type %s: %w", s.Type, err)
	}
	return source, nil
}

// renewable reports whether asking again may bring other credentials.
func (s *credentialSource) renewable() bool {
	return s.settings.Type != CredentialAccessKey && s.settings.Type != CredentialSTS
}

// get returns credentials that were valid a moment ago. When ctx ends first, the provider is left to its own timeouts,
// about 15 seconds.
func (s *credentialSource) get(ctx context.Context) (*providers.Credentials, error) {
	p, err := s.provider()
	if err != nil {
		return nil, s.settings.error(err)
	}
	result := p.flight.DoChan("", func() (any, error) { return s.fetch(p) })
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, s.settings.error(r.Err)
		}
		return r.Val.(*providers.Credentials), nil
	case <-ctx.Done():
		e := transportError(ctx.Err())
		e.Message = fmt.Sprintf("waiting for credentials of type %s: %v", s.settings.Type, ctx.Err())
		return nil, e
	}
}

// discard drops credentials that CMS refused, unless they were replaced already.
func (s *credentialSource) discard(cred *providers.Credentials) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && *s.last == *cred {
		s.current, s.last = nil, nil
	}
}

func (s *credentialSource) provider() (*provider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		p, err := s.build()
		if err != nil {
			return nil, err
		}
		s.current = &provider{CredentialsProvider: p}
	}
	return s.current, nil
}

func (s *credentialSource) fetch(p *provider) (*providers.Credentials, error) {
	cred, err := ask(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != p { // discarded in the meantime
		return cred, err
	}
	if err == nil {
		s.last, s.lastAt = cred, s.now()
		return cred, nil
	}
	s.current = nil
	if s.last != nil && s.now().Sub(s.lastAt) < sessionMargin {
		return s.last, nil
	}
	return nil, err
}

var errIncomplete = errors.New("the provider's credentials lack a field")

// ask asks the provider. Providers dereference fields of the reply without looking, hence the recover.
func ask(p providers.CredentialsProvider) (cred *providers.Credentials, err error) {
	defer func() {
		if recover() != nil {
			cred, err = nil, errIncomplete
		}
	}()
	cred, err = p.GetCredentials()
	if err == nil && (cred == nil || cred.AccessKeyId == "" || cred.AccessKeySecret == "") {
		return nil, errIncomplete
	}
	return cred, err
}
