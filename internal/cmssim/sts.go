package cmssim

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// The secrets of STS sessions start with these, followed by a number. A test can look for them in logs.
const (
	SessionSecretPrefix = "session-secret-"
	SessionTokenPrefix  = "session-token-"
)

// roleParameters are the parameters of AssumeRole and what they look like.
var roleParameters = map[string]*regexp.Regexp{
	"RoleArn":         regexp.MustCompile(`^acs:ram::\d+:role/.+$`),
	"RoleSessionName": regexp.MustCompile(`^[\w.@-]{2,64}$`),
}

// oidcParameters are those that AssumeRoleWithOIDC has besides. The token is not verified.
var oidcParameters = map[string]*regexp.Regexp{
	"OIDCProviderArn": regexp.MustCompile(`^acs:ram::\d+:oidc-provider/.+$`),
	"OIDCToken":       regexp.MustCompile(`^\S+$`),
}

// assumeRole answers AssumeRole and AssumeRoleWithOIDC with the keys of a new session.
func (s *Server) assumeRole(c *call, params url.Values) *serviceError {
	rules := maps.Clone(roleParameters)
	if c.entry.Action == actionAssumeRoleOIDC {
		maps.Copy(rules, oidcParameters)
	}
	for name, rule := range rules {
		if !rule.MatchString(params.Get(name)) {
			return invalidSTS(name, rule.String())
		}
	}
	id, session := s.sessions.start(s.Now())
	s.logged(c, OutcomeOK)
	c.sendJSON(http.StatusOK, map[string]any{
		"RequestId":       c.id,
		"AssumedRoleUser": map[string]string{"Arn": params.Get("RoleArn") + "/" + params.Get("RoleSessionName")},
		"Credentials": map[string]string{
			"AccessKeyId":     id,
			"AccessKeySecret": session.secret,
			"SecurityToken":   session.token,
			"Expiration":      session.expires.UTC().Format(dateLayout),
		},
	})
	return nil
}

// invalidSTS returns the error for a wrong parameter, without its value, which may be a secret.
func invalidSTS(name, rule string) *serviceError {
	return &serviceError{http.StatusBadRequest, "InvalidParameter." + name, name + " is missing or invalid, it is " + rule + "."}
}

// session is what STS handed out for an AccessKey ID.
type session struct {
	secret, token string
	expires       time.Time
}

// sessions are the sessions by their AccessKey ID.
type sessions struct {
	mu   sync.Mutex
	byID map[string]session
}

// start returns a new session and its AccessKey ID, which expires after an hour.
func (s *sessions) start(now time.Time) (string, session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]session{}
	}
	number := strconv.Itoa(len(s.byID) + 1)
	id := "STS." + number
	s.byID[id] = session{SessionSecretPrefix + number, SessionTokenPrefix + number, now.Add(time.Hour)}
	return id, s.byID[id]
}

// find returns the session of an AccessKey ID if the token belongs to it and has not expired.
func (s *sessions) find(id, token string, now time.Time) (session, *serviceError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.byID[id]
	switch {
	case !ok:
		return found, errAccessKey
	case token != found.token:
		return found, errTokenMismatch
	case !now.Before(found.expires):
		return found, errTokenExpired
	}
	return found, nil
}
