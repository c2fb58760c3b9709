package image

import (
	"bytes"
	"debug/elf"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// checkBinary fails unless the binary is for the platform and needs no other file to run.
func checkBinary(t *testing.T, binary []byte, platform v1.Platform) {
	t.Helper()
	program, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatalf("the binary for %s: %v", platform, err)
	}
	want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[platform.Architecture]
	if program.Machine != want {
		t.Errorf("the binary for %s is one for %s", platform, program.Machine)
	}
	for _, segment := range program.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary for %s is linked dynamically: it has a segment %s", platform, segment.Type)
		}
	}
}
