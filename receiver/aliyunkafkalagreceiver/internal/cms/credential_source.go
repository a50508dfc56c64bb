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
	flight   singleflight.Group // at most one goroutine asks a provider

	mu       sync.Mutex
	provider providers.CredentialsProvider // nil: to be built anew
	last     *providers.Credentials        // what provider handed out last
	lastAt   time.Time
}

func newCredentialSource(s CredentialSettings) (*credentialSource, error) {
	p, err := s.provider()
	if err != nil {
		return nil, fmt.Errorf("credentials::type %s: %w", s.Type, err)
	}
	return &credentialSource{settings: s, build: s.provider, now: time.Now, provider: p}, nil
}

// renewable reports whether asking again may bring other credentials.
func (s *credentialSource) renewable() bool {
	return s.settings.Type != CredentialAccessKey && s.settings.Type != CredentialSTS
}

// get returns credentials that were valid a moment ago. When ctx ends first, the provider is left to its own timeouts,
// about 15 seconds.
func (s *credentialSource) get(ctx context.Context) (*providers.Credentials, error) {
	result := s.flight.DoChan("", func() (any, error) { return s.fetch() })
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
		s.provider, s.last = nil, nil
		s.flight.Forget("")
	}
}

func (s *credentialSource) fetch() (*providers.Credentials, error) {
	p, err := s.current()
	if err != nil {
		return nil, err
	}
	cred, err := ask(p)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.provider != p { // discarded in the meantime
		return cred, err
	}
	if err == nil {
		s.last, s.lastAt = cred, s.now()
		return cred, nil
	}
	s.provider = nil
	if s.last != nil && s.now().Sub(s.lastAt) < sessionMargin {
		return s.last, nil
	}
	return nil, err
}

func (s *credentialSource) current() (providers.CredentialsProvider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.provider == nil {
		p, err := s.build()
		if err != nil {
			return nil, err
		}
		s.provider = p
	}
	return s.provider, nil
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
