package cms

import (
	"fmt"

	"github.com/aliyun/credentials-go/credentials/providers"
)

// CredentialType names where credentials come from, in the words of the Alibaba Cloud SDK.
type CredentialType string

// The types of credentials.
const (
	CredentialDefault     CredentialType = "default"         // the SDK's chain: environment, OIDC, CLI profile, credentials file, ECS role, URI
	CredentialAccessKey   CredentialType = "access_key"      // AccessKeyID, AccessKeySecret
	CredentialSTS         CredentialType = "sts"             // AccessKeyID, AccessKeySecret, SecurityToken: a session made elsewhere
	CredentialRAMRoleARN  CredentialType = "ram_role_arn"    // RoleARN, assumed with an access key and, optionally, a SecurityToken
	CredentialOIDCRoleARN CredentialType = "oidc_role_arn"   // RoleARN, assumed with the token in OIDCTokenFile, as RRSA in ACK does
	CredentialECSRAMRole  CredentialType = "ecs_ram_role"    // the role of the ECS instance
	CredentialURI         CredentialType = "credentials_uri" // a local service at URL
)

// CredentialSettings configures the credentials. What a type does not need is ignored; for an empty field that it does
// need the SDK looks at its environment variables, for example ALIBABA_CLOUD_OIDC_TOKEN_FILE.
type CredentialSettings struct {
	Type            CredentialType
	AccessKeyID     string
	AccessKeySecret string
	SecurityToken   string
	RoleARN         string
	RoleSessionName string // optional
	OIDCProviderARN string
	OIDCTokenFile   string
	RoleName        string // optional: the ECS instance is asked for its role
	URL             string
}

// provider builds the SDK's provider. That reads settings and environment, it asks nobody.
func (s CredentialSettings) provider() (providers.CredentialsProvider, error) {
	switch s.Type {
	case CredentialDefault:
		return providers.NewDefaultCredentialsProvider(), nil
	case CredentialAccessKey:
		return s.accessKey()
	case CredentialSTS:
		return s.session()
	case CredentialRAMRoleARN:
		return s.ramRole()
	case CredentialOIDCRoleARN:
		return providers.NewOIDCCredentialsProviderBuilder().
			WithRoleArn(s.RoleARN).
			WithRoleSessionName(s.RoleSessionName).
			WithOIDCProviderARN(s.OIDCProviderARN).
			WithOIDCTokenFilePath(s.OIDCTokenFile).
			Build()
	case CredentialECSRAMRole:
		return providers.NewECSRAMRoleCredentialsProviderBuilder().WithRoleName(s.RoleName).Build()
	case CredentialURI:
		return providers.NewURLCredentialsProviderBuilder().WithUrl(s.URL).Build()
	default:
		return nil, fmt.Errorf("type %q is unknown", s.Type)
	}
}

func (s CredentialSettings) accessKey() (providers.CredentialsProvider, error) {
	return providers.NewStaticAKCredentialsProviderBuilder().
		WithAccessKeyId(s.AccessKeyID).
		WithAccessKeySecret(s.AccessKeySecret).
		Build()
}

func (s CredentialSettings) session() (providers.CredentialsProvider, error) {
	return providers.NewStaticSTSCredentialsProviderBuilder().
		WithAccessKeyId(s.AccessKeyID).
		WithAccessKeySecret(s.AccessKeySecret).
		WithSecurityToken(s.SecurityToken).
		Build()
}

func (s CredentialSettings) ramRole() (providers.CredentialsProvider, error) {
	base := s.accessKey
	if s.SecurityToken != "" {
		base = s.session
	}
	key, err := base()
	if err != nil {
		return nil, err
	}
	return providers.NewRAMRoleARNCredentialsProviderBuilder().
		WithCredentialsProvider(key).
		WithRoleArn(s.RoleARN).
		WithRoleSessionName(s.RoleSessionName).
		Build()
}
