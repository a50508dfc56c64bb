package alicloud

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestDescribe: of the access key ID only the ends are shown, and nothing of what may be a secret in its place.
func TestDescribe(t *testing.T) {
	const id, secret = "LTAI5tabcdefghijklmnWXYZ", "SENTINELSENTINELSENTINELSENTIN"
	for name, tt := range map[string]struct {
		settings CredentialSettings
		env      string // ALIBABA_CLOUD_ACCESS_KEY_ID
		want     string
	}{
		"configured":           {CredentialSettings{Type: CredentialAccessKey, AccessKeyID: id}, "", "access_key, as configured, access key ID LTAI…WXYZ"},
		"session":              {CredentialSettings{Type: CredentialSTS, AccessKeyID: "STS.NUabcdefghijklmnopqrsWXYZ"}, "", "sts, as configured, access key ID STS.…WXYZ"},
		"role by key":          {CredentialSettings{Type: CredentialRAMRoleARN, AccessKeyID: id}, "", "ram_role_arn, as configured, access key ID LTAI…WXYZ"},
		"configured, from env": {CredentialSettings{Type: CredentialAccessKey}, id + "\n", "access_key, as configured, access key ID LTAI…WXYZ"},
		"environment":          {CredentialSettings{Type: CredentialDefault}, id, "access_key, found in the environment, access key ID LTAI…WXYZ"},
		"secret in its place":  {CredentialSettings{Type: CredentialAccessKey, AccessKeyID: secret}, "", "access_key, as configured, access key ID …"},
		"short":                {CredentialSettings{Type: CredentialAccessKey, AccessKeyID: "LTAI5tWXYZ"}, "", "access_key, as configured, access key ID …"},
		"role without key":     {CredentialSettings{Type: CredentialECSRAMRole, AccessKeyID: id}, id, "ecs_ram_role, as configured"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", tt.env)
			tt.settings.AccessKeySecret = secret
			assert.Equal(t, tt.want, tt.settings.Describe())
		})
	}
}
