package chain

import (
	"encoding/json"
	"os/exec"
	"path/filepath"

	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test/harness"
)

// moduleDir is where Go keeps a module, in the version that is given or that a folder of the repository asks for.
func (c *ControlPlane) moduleDir(folder, module string) string {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), "go", "mod", "download", "-json", module)
	cmd.Dir = filepath.Join(harness.Root(), folder)
	out, err := cmd.Output()
	require.NoError(c.t, err, string(out))
	var download struct{ Dir string }
	require.NoError(c.t, json.Unmarshal(out, &download))
	return download.Dir
}
