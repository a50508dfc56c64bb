package alicloud

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	sessionMargin = 180 * time.Second // how long before its end a session is renewed
	renewalPause  = 20 * time.Second  // after a renewal that failed, so that a source that hangs does not delay every call
)

// credentialCache keeps the credentials of a source and renews them in time. It is safe for concurrent use.
type credentialCache struct {
	typ    CredentialType
	build  func() (source, error)
	now    func() time.Time
	flight singleflight.Group // callers at the same time share one renewal

	mu      sync.Mutex
	source  source      // nil: to be built
	current *credential // nil: to be obtained
	renewAt time.Time
	expires time.Time
}

// newCredentialCache builds the source once, so that settings that lack something are found at once.
func newCredentialCache(s CredentialSettings, i *issuers) (*credentialCache, error) {
	build := func() (source, error) { return s.source(i) }
	first, err := build()
	if err != nil {
		return nil, fmt.Errorf("credentials::type %s: %w", s.Type, err)
	}
	return &credentialCache{typ: s.Type, build: build, now: time.Now, source: first}, nil
}

// renewable reports whether asking again may bring other credentials.
func (c *credentialCache) renewable() bool {
	return c.typ != CredentialAccessKey && c.typ != CredentialSTS
}

// errAbandoned says that a renewal failed because the context of the caller that began it ended.
var errAbandoned = errors.New("abandoned")

// get returns credentials that are valid now. Its errors are of type [*Error], shared by callers: they must not be changed.
func (c *credentialCache) get(ctx context.Context) (*credential, error) {
	for ctx.Err() == nil {
		if cred := c.fresh(); cred != nil {
			return cred, nil
		}
		select {
		case r := <-c.flight.DoChan("", func() (any, error) { return c.renew(ctx) }):
			if r.Err == nil {
				return r.Val.(*credential), nil
			}
			if !errors.Is(r.Err, errAbandoned) {
				return nil, r.Err
			}
		case <-ctx.Done():
		}
	}
	e := transportError(ctx.Err())
	e.Message = fmt.Sprintf("waiting for credentials of type %s: %v", c.typ, ctx.Err())
	return nil, e
}

// discard drops credentials that the service refused, unless they were replaced already.
func (c *credentialCache) discard(cred *credential) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil && *c.current == *cred {
		c.source, c.current = nil, nil // the source may keep them too
	}
}

// fresh returns the current credentials unless it is time to renew them.
func (c *credentialCache) fresh() *credential {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil && (c.current.lifetime == 0 || c.now().Before(c.renewAt)) {
		return c.current
	}
	return nil
}

// renew obtains credentials. If that fails, the current ones are used while they last. Only one renewal runs at a time.
func (c *credentialCache) renew(ctx context.Context) (*credential, error) {
	if cred := c.fresh(); cred != nil { // another caller was faster
		return cred, nil
	}
	began := c.now()
	cred, err := c.obtain(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.current, c.expires = cred, began.Add(cred.lifetime)
		c.renewAt = c.expires.Add(-sessionMargin)
		return cred, nil
	}
	c.source = nil // the configuration may have changed since it was built
	if now := c.now(); c.current != nil && now.Before(c.expires) {
		c.renewAt = now.Add(renewalPause)
		return c.current, nil
	}
	if ctx.Err() != nil {
		return nil, errAbandoned
	}
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		failure = badCredentials(err.Error())
	}
	failure.Message = fmt.Sprintf("no credentials of type %s: %s", c.typ, failure.Message)
	return nil, failure
}

// obtain asks the source, which it builds if there is none.
func (c *credentialCache) obtain(ctx context.Context) (*credential, error) {
	c.mu.Lock()
	ask, err := c.source, error(nil)
	if ask == nil {
		ask, err = c.build()
		c.source = ask
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return ask(ctx)
}
