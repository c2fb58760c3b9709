package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxBindingName leaves room for the hash within the 253 characters of an object name.
const maxBindingName = 253

// BindingName is the name of the binding of a template. It is readable ("web-deployment-1f3a5c79") and,
// because it ends in a hash of group, kind and name, two templates of one namespace never share it.
func BindingName(group, kind, name string) string {
	sum := sha256.Sum256([]byte(group + "/" + kind + "/" + name))
	suffix := "-" + hex.EncodeToString(sum[:4])
	readable := strings.ToLower(strings.ReplaceAll(name, ":", ".") + "-" + kind)
	if room := maxBindingName - len(suffix); len(readable) > room {
		readable = strings.TrimRight(readable[:room], "-.")
	}
	return readable + suffix
}
