package cms

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/ini.v1"
)

// profile is a profile in the configuration of the Alibaba Cloud CLI.
type profile struct {
	Name            string `json:"name"`
	Mode            string `json:"mode"`
	AccessKeyID     string `json:"access_key_id"`
	AccessKeySecret string `json:"access_key_secret"`
	SecurityToken   string `json:"sts_token"`
	RoleARN         string `json:"ram_role_arn"`
	RoleSessionName string `json:"ram_session_name"`
	OIDCProviderARN string `json:"oidc_provider_arn"`
	OIDCTokenFile   string `json:"oidc_token_file"`
	RoleName        string `json:"ram_role_name"`
	Policy          string `json:"policy"`
	ExternalID      string `json:"external_id"`
}

// modes are the modes of CLI profiles that a service can use. The others need a person who logs in, or a helper whose
// output the SDK prints.
var modes = map[string]CredentialType{
	"AK":         CredentialAccessKey,
	"StsToken":   CredentialSTS,
	"RamRoleArn": CredentialRAMRoleARN,
	"EcsRamRole": CredentialECSRAMRole,
	"OIDC":       CredentialOIDCRoleARN,
}

// cliProfile returns the profile of the Alibaba Cloud CLI in use, if there is one.
func cliProfile() (s CredentialSettings, found bool, err error) {
	if strings.EqualFold(env("CLI_PROFILE_DISABLED"), "true") {
		return s, false, nil
	}
	path, content, err := configFile("CONFIG_FILE", ".aliyun/config.json")
	if content == nil {
		return s, false, err
	}
	var config struct {
		Current  string    `json:"current"`
		Profiles []profile `json:"profiles"`
	}
	if json.Unmarshal(content, &config) != nil {
		return s, false, fmt.Errorf("%s is not a configuration of the Alibaba Cloud CLI: mend it, or set ALIBABA_CLOUD_CLI_PROFILE_DISABLED=true", path)
	}
	name := cmp.Or(env("PROFILE"), config.Current)
	for _, p := range config.Profiles {
		if p.Name == name && (p.Mode != "AK" || p.AccessKeyID != "") { // a new configuration holds an empty key
			s, err = p.settings(path)
			return s, err == nil, err
		}
	}
	return s, false, nil
}

func (p profile) settings(path string) (CredentialSettings, error) {
	typ, ok := modes[p.Mode]
	if !ok {
		return CredentialSettings{}, fmt.Errorf("profile %q in %s: mode %q cannot be used here: set credentials::type to access_key, sts, ram_role_arn, "+
			"oidc_role_arn, ecs_ram_role or credentials_uri, or choose another profile with ALIBABA_CLOUD_PROFILE", p.Name, path, p.Mode)
	}
	if typ != CredentialSTS {
		p.SecurityToken = ""
	}
	return CredentialSettings{
		Type:            typ,
		AccessKeyID:     p.AccessKeyID,
		AccessKeySecret: p.AccessKeySecret,
		SecurityToken:   p.SecurityToken,
		RoleARN:         p.RoleARN,
		RoleSessionName: p.RoleSessionName,
		OIDCProviderARN: p.OIDCProviderARN,
		OIDCTokenFile:   p.OIDCTokenFile,
		RoleName:        p.RoleName,
		policy:          p.Policy,
		externalID:      p.ExternalID,
	}, nil
}

// credentialsFile returns the section in use of the SDK's credentials file, if there is one. Its keys are named like
// those of the receiver.
func credentialsFile() (s CredentialSettings, found bool, err error) {
	path, content, err := configFile("CREDENTIALS_FILE", ".alibabacloud/credentials")
	if content == nil {
		return s, false, err
	}
	file, err := ini.Load(content)
	if err != nil {
		return s, false, fmt.Errorf("%s is not a credentials file of Alibaba Cloud: mend or remove it", path)
	}
	name := cmp.Or(env("PROFILE"), "default")
	section, err := file.GetSection(name)
	if err != nil {
		return s, false, nil // there is no such section
	}
	value := func(key string) string { return section.Key(key).String() }
	s = CredentialSettings{
		Type:            CredentialType(value("type")),
		AccessKeyID:     value("access_key_id"),
		AccessKeySecret: value("access_key_secret"),
		RoleARN:         value("role_arn"),
		RoleSessionName: value("role_session_name"),
		RoleName:        value("role_name"),
		policy:          value("policy"),
	}
	switch s.Type {
	case CredentialAccessKey, CredentialRAMRoleARN, CredentialECSRAMRole:
		return s, true, nil
	default:
		return s, false, fmt.Errorf("section %q in %s: type must be access_key, ram_role_arn or ecs_ram_role, not %q", name, path, s.Type)
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
	if err != nil {
		return "", nil, nil // then there is no such file
	}
	path = filepath.Join(home, inHome)
	content, _ = os.ReadFile(path)
	return path, content, nil
}
