package expression

import (
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	apiservercel "k8s.io/apiserver/pkg/cel"
)

// checked is a CEL value as JSON has it, if it is of the promised type: expressions over objects are typed at run time.
func (p *Program) checked(value ref.Val) (any, error) {
	kinds, name := p.result.kinds()
	kind := types.DynKind
	if t, ok := value.Type().(*types.Type); ok {
		kind = t.Kind()
	}
	if !slices.Contains(kinds, kind) {
		return nil, fmt.Errorf("it returned %s, and has to return %s", value.Type().TypeName(), name)
	}
	return native(value)
}

func native(value ref.Val) (any, error) {
	switch v := value.(type) {
	case *types.Optional:
		if !v.HasValue() {
			return nil, nil
		}
		return native(v.GetValue())
	case traits.Mapper:
		return nativeMap(v)
	case traits.Lister:
		return nativeList(v)
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.String:
		return string(v), nil
	}
	if number, isNumber := nativeNumber(value); isNumber {
		return number, nil
	}
	if text, isWritten := nativeText(value); isWritten {
		return text, nil
	}
	return nil, fmt.Errorf("a value of type %s has no place in an object", value.Type().TypeName())
}

func nativeNumber(value ref.Val) (any, bool) {
	switch v := value.(type) {
	case types.Int:
		return int64(v), true
	case types.Uint:
		return int64(min(uint64(v), 1<<63-1)), true
	case types.Double:
		return float64(v), true
	}
	return nil, false
}

// nativeText is what JSON writes as a text.
func nativeText(value ref.Val) (string, bool) {
	switch v := value.(type) {
	case types.Bytes:
		return base64.StdEncoding.EncodeToString(v), true
	case types.Timestamp:
		return v.UTC().Format(time.RFC3339), true
	case types.Duration:
		return v.Duration.String(), true
	case apiservercel.Quantity:
		return v.Quantity.String(), true
	case *apiservercel.Quantity:
		return v.Quantity.String(), true
	}
	return "", false
}

func nativeMap(value traits.Mapper) (any, error) {
	fields := map[string]any{}
	for it := value.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("a map has a key of type %s, and only strings can be keys", key.Type().TypeName())
		}
		field, err := native(value.Get(key))
		if err != nil {
			return nil, err
		}
		fields[string(name)] = field
	}
	return fields, nil
}

func nativeList(value traits.Lister) (any, error) {
	list := []any{}
	for it := value.Iterator(); it.HasNext() == types.True; {
		item, err := native(it.Next())
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}
