package verdict

import "fmt"

// Key names an object of one cluster.
type Key struct{ Kind, Namespace, Name string }

// String is for sentences.
func (k Key) String() string { return fmt.Sprintf("%s %s/%s", k.Kind, k.Namespace, k.Name) }

// Template is what the last acknowledged change asks for.
type Template struct {
	// Content is everything that is wanted of the object but its replicas.
	Content string
	// Replicas that it asks for; 0 for kinds without any.
	Replicas int32
	// Divided says that the replicas are divided over the members; otherwise each of them has all.
	Divided bool
	// Members are the clusters that its policy names, in any order.
	Members []string
	// Taken are those of them in which a foreign object has its name.
	Taken []string
}

// Object is one object as a cluster holds it.
type Object struct {
	// UID and Version change when somebody replaces or writes it. What counts as a version is the gatherer's to say.
	UID, Version string
	// Content is everything that is compared but the replicas.
	Content string
	// Replicas that it asks for; 0 for kinds without any.
	Replicas int32
	// Ours says that it carries the marks of the host.
	Ours bool
}

// Binding is one binding of the host.
type Binding struct {
	// Name of the binding, namespace included.
	Name string
	// Template that it is for.
	Template Key
	// Clusters are those that were decided, with their replicas; 0 for kinds without any.
	Clusters map[string]int32
	// Retained are clusters that keep what they have for a while.
	Retained []string
	// Pending replicas that found no room.
	Pending int32
	// Deleting says that it waits for its end.
	Deleting bool
}

// Picture is everything that is compared.
type Picture struct {
	// Wanted are the templates that were acknowledged and not deleted.
	Wanted map[Key]Template
	// Templates are the objects of the host.
	Templates map[Key]Object
	// Bindings are those of the host.
	Bindings []Binding
	// Members are the objects of each member, foreign ones included.
	Members map[string]map[Key]Object
	// Foreign are objects that were in members before, and belong to somebody else.
	Foreign map[string]map[Key]Object
}
