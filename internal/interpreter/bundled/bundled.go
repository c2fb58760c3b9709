package bundled

import (
	"embed"
	"fmt"
	"io/fs"
	"sync"

	"sigs.k8s.io/yaml"

	"github.com/flotilla-dev/flotilla/api/v1alpha1"
	"github.com/flotilla-dev/flotilla/internal/interpreter/taught"
)

//go:embed *.yaml
var files embed.FS

// Load reads every bundled ResourceInterpreter. The error tells of a mistake in a file of this package.
func Load() ([]*v1alpha1.ResourceInterpreter, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("listing the bundled interpreters: %w", err)
	}
	interpreters := make([]*v1alpha1.ResourceInterpreter, 0, len(names))
	for _, name := range names {
		content, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading the bundled interpreter %s: %w", name, err)
		}
		ri := &v1alpha1.ResourceInterpreter{}
		if err := yaml.UnmarshalStrict(content, ri); err != nil {
			return nil, fmt.Errorf("reading the bundled interpreter %s: %w", name, err)
		}
		interpreters = append(interpreters, ri)
	}
	return interpreters, nil
}

// Table has the meanings of all bundled interpreters. They are compiled when they are first asked for, which takes tens of
// milliseconds: a command that looks at a Deployment need not wait for it.
var Table = sync.OnceValue(func() *taught.Table {
	interpreters, err := Load()
	if err != nil {
		return taught.NewTable() // tests of this package make sure that this does not happen
	}
	meanings := make([]*taught.Meaning, 0, len(interpreters))
	for _, ri := range interpreters {
		m, _ := taught.Compile(ri)
		meanings = append(meanings, m)
	}
	return taught.NewTable(meanings...)
})
