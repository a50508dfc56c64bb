package alicloud

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/ini.v1"
)

const notConfigured = "no credentials found; looked in: environment, OIDC, CLI profile, credentials file, ECS metadata service, credentials URI; set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or on ACK check the label and the annotation of RRSA"

// places are where credentials may be configured, in the order in which they are looked for.
var places = []struct {
	find func() (CredentialSettings, error)
	name string
}{{environment, "the environment"}, {cliProfile, "a CLI profile"}, {credentialsFile, "a credentials file"}}

// defaultSource returns the first source that is configured, in the order of the SDK. Only the configuration decides:
// if that source fails, no other identity takes its place. Whether a host has a role of which nobody gave the name, only
// its metadata service knows: if it gives none, the credentials URI is asked.
func defaultSource(i *issuers) (source, error) {
	for _, place := range places {
		if s, err := place.find(); err != nil {
			return nil, err
		} else if s.Type != "" {
			return s.source(i)
		}
	}
	ecs, noECS := CredentialSettings{Type: CredentialECSRAMRole}.source(i)
	uri, noURI := CredentialSettings{Type: CredentialURI}.source(i)
	switch {
	case noECS == nil && env("ECS_METADATA") != "":
		return ecs, nil
	case noURI != nil && env("CREDENTIALS_URI") != "":
		return nil, noURI
	case noECS != nil && noURI != nil:
		return nil, errors.New(notConfigured)
	case noECS != nil:
		return uri, nil
	}
	return func(ctx context.Context) (*credential, error) {
		c, err := ecs(ctx)
		if err == nil {
			return c, nil
		}
		if noURI != nil {
			return nil, badCredentials(notConfigured)
		}
		return uri(ctx)
	}, nil
}

// Describe says which credentials are used and where they were found, with the ends of the access key ID, as far as that is
// known without asking anybody. It holds no secret.
func (s CredentialSettings) Describe() string {
	if s.Type != CredentialDefault {
		return string(s.Type) + ", as configured" + s.describeKey()
	}
	for _, place := range places {
		if found, err := place.find(); err == nil && found.Type != "" {
			return string(found.Type) + ", found in " + place.name + found.describeKey()
		}
	}
	return "ecs_ram_role or credentials_uri, since nothing else is configured"
}

// describeKey returns the ends of the access key ID, and nothing of one whose length is not that of an ID: a secret, which
// has 30 characters, may have been put in its place.
func (s CredentialSettings) describeKey() string {
	if s.Type != CredentialAccessKey && s.Type != CredentialSTS && s.Type != CredentialRAMRoleARN {
		return ""
	}
	if needs("access_key_id", &s.AccessKeyID) != nil {
		return "" // connecting returns this error
	}
	id, ends := s.AccessKeyID, "…"
	if len(id) >= 12 && len(id) < 30 {
		ends = id[:4] + "…" + id[len(id)-4:]
	}
	return ", access key ID " + ends
}

// environment returns the type of the key, session or OIDC role in the environment. One half of a key is enough to mean it.
// The type is empty if there is none, as in the functions below.
func environment() (CredentialSettings, error) {
	var s CredentialSettings
	switch {
	case env("ACCESS_KEY_ID")+env("ACCESS_KEY_SECRET") != "" && env("SECURITY_TOKEN") != "":
		s.Type = CredentialSTS
	case env("ACCESS_KEY_ID")+env("ACCESS_KEY_SECRET") != "":
		s.Type = CredentialAccessKey
	case env("ROLE_ARN") != "" && env("OIDC_PROVIDER_ARN") != "" && env("OIDC_TOKEN_FILE") != "":
		s.Type = CredentialOIDCRoleARN
	}
	return s, nil
}

// modes are the modes of CLI profiles that a service can use. The others need a person who logs in, or run a helper.
var modes = map[string]CredentialType{
	"AK":         CredentialAccessKey,
	"StsToken":   CredentialSTS,
	"RamRoleArn": CredentialRAMRoleARN,
	"EcsRamRole": CredentialECSRAMRole,
	"OIDC":       CredentialOIDCRoleARN,
}

// cliProfile returns the profile of the Alibaba Cloud CLI in use.
func cliProfile() (none CredentialSettings, _ error) {
	if envIsTrue("CLI_PROFILE_DISABLED") {
		return none, nil
	}
	path, content, err := configFile("CONFIG_FILE", ".aliyun/config.json")
	if content == nil {
		return none, err
	}
	var config struct {
		Current  string `json:"current"`
		Profiles []struct {
			Name string `json:"name"`
			Mode string `json:"mode"`
			CredentialSettings
		} `json:"profiles"`
	}
	if json.Unmarshal(content, &config) != nil {
		return none, fmt.Errorf("%s is not a configuration of the Alibaba Cloud CLI: fix it, or set ALIBABA_CLOUD_CLI_PROFILE_DISABLED=true", path)
	}
	name := cmp.Or(env("PROFILE"), config.Current)
	for _, p := range config.Profiles {
		if p.Name != name || p.Mode == "AK" && p.AccessKeyID == "" { // a new configuration holds an empty key
			continue
		}
		if p.Type = modes[p.Mode]; p.Type == "" {
			return none, fmt.Errorf("profile %q in %s: mode %q cannot be used here: set credentials::type to access_key, sts, ram_role_arn, "+
				"oidc_role_arn, ecs_ram_role or credentials_uri, or choose another profile with ALIBABA_CLOUD_PROFILE", name, path, p.Mode)
		}
		if p.Type != CredentialSTS {
			p.SecurityToken = "" // left from another mode
		}
		return p.CredentialSettings, nil
	}
	return none, nil
}

// credentialsFile returns the section in use of the SDK's credentials file.
func credentialsFile() (s CredentialSettings, err error) {
	path, content, err := configFile("CREDENTIALS_FILE", ".alibabacloud/credentials")
	if content == nil {
		return s, err
	}
	file, err := ini.Load(content)
	if err != nil {
		return s, fmt.Errorf("%s is not a credentials file of Alibaba Cloud: fix or remove it", path)
	}
	name := cmp.Or(env("PROFILE"), "default")
	section, err := file.GetSection(name)
	if err != nil {
		return s, nil // there is no such section
	}
	_ = section.MapTo(&s) // strings always can
	switch s.Type {
	case CredentialAccessKey, CredentialRAMRoleARN, CredentialECSRAMRole:
		return s, nil
	default:
		return s, fmt.Errorf("section %q in %s: type must be access_key, ram_role_arn or ecs_ram_role, not %q", name, path, s.Type)
	}
}

// configFile reads the file that the environment names. Without one it reads the file in the home directory, if it can:
// a file that this process may not read is not meant for it.
func configFile(name, inHome string) (path string, content []byte, err error) {
	if path = env(name); path != "" {
		if content, err = os.ReadFile(path); err != nil {
			err = fmt.Errorf("ALIBABA_CLOUD_%s: %w", name, err)
		}
		return path, content, err
	}
	home, err := os.UserHomeDir()
	if err == nil {
		path = filepath.Join(home, inHome)
		content, _ = os.ReadFile(path)
	}
	return path, content, nil
}
