package versions

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	outside = regexp.MustCompile(`^(\w+:|#)`)
)

// TestReleaseLinks: what the documents of a release link to is in its archive.
func TestReleaseLinks(t *testing.T) {
	released := releasedFiles(t)
	links := 0
	for file := range released {
		if filepath.Ext(file) != ".md" {
			continue
		}
		content, err := os.ReadFile(root + file)
		require.NoError(t, err)
		for _, match := range link.FindAllStringSubmatch(string(content), -1) {
			if outside.MatchString(match[1]) {
				continue
			}
			links++
			to, _, _ := strings.Cut(match[1], "#")
			assert.True(t, released[filepath.Join(filepath.Dir(file), to)], "%s links to %s, which is not in RELEASE_FILES", file, to)
		}
	}
	assert.NotZero(t, links)
}

// releasedFiles returns the files and folders of RELEASE_FILES in the Makefile.
func releasedFiles(t *testing.T) map[string]bool {
	t.Helper()
	released := map[string]bool{}
	for _, pattern := range strings.Fields(version(t, "Makefile", `(?m)^RELEASE_FILES := (.+)$`)) {
		paths, err := filepath.Glob(root + pattern)
		require.NoError(t, err)
		require.NotEmpty(t, paths, pattern)
		for _, path := range paths {
			require.NoError(t, filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
				name, _ := filepath.Rel(root, path)
				released[name], released[filepath.Dir(name)] = true, true
				return err
			}))
		}
	}
	return released
}
