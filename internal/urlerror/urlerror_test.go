package urlerror

import (
	"fmt"
	"io"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestStrip(t *testing.T) {
	inner := &url.Error{Op: "Post", URL: "https://host/?token=secret", Err: io.EOF}
	for name, err := range map[string]error{
		"plain": io.EOF, "with a URL": inner, "twice": &url.Error{Op: "Get", URL: "https://proxy/secret", Err: inner}, "wrapped": fmt.Errorf("sending: %w", inner),
	} {
		assert.Equal(t, io.EOF, Strip(err), name)
	}
	assert.NoError(t, Strip(nil))
}
