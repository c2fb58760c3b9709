package scheduling

import (
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const mergePatch = types.MergePatchType

func inNamespace(ns string) client.ListOption { return client.InNamespace(ns) }

// mergeSpec patches a part of a spec.
func mergeSpec(part string) client.Patch {
	return client.RawPatch(mergePatch, []byte(`{"spec":`+part+`}`))
}

// named gives an object its name, to be read.
func named[T client.Object](obj T, name string) T {
	obj.SetName(name)
	return obj
}
