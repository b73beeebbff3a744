// What kubectl and the API server make of manifests, as an oracle for netspec's reader.
//
// One request a line on standard input, one answer a line on standard output, both JSON. A request holds a file's
// bytes; the answer holds the documents that kubectl reads of it (cli-runtime's StreamVisitor: YAMLOrJSONDecoder,
// then unstructured), each object with what the API server says of it: decoded strictly into its own type, defaulted,
// validated as on creation. The code is Kubernetes' own; only the order of the calls is repeated here.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/discovery"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	discoveryvalidation "k8s.io/kubernetes/pkg/apis/discovery/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
)

type request struct {
	Content []byte `json:"content"`
}

// One object that kubectl would send. Refused is why the API server would not take it.
type object struct {
	Sent    json.RawMessage `json:"sent"`
	Stored  json.RawMessage `json:"stored,omitempty"`
	Refused string          `json:"refused,omitempty"`
}

// Objects up to the first error, which ends a file for kubectl.
type answer struct {
	Objects []object `json:"objects"`
	Error   string   `json:"error,omitempty"`
}

var strict = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

// No object has a namespace of its own here but in "default".
func validate(internal runtime.Object) field.ErrorList {
	var none corevalidation.PodValidationOptions
	switch o := internal.(type) {
	case *core.Pod:
		return corevalidation.ValidatePodCreate(o, none)
	case *core.Service:
		if o.Spec.ClusterIP != "" && o.Spec.ClusterIPs == nil { // the registry does, before it validates
			o.Spec.ClusterIPs = []string{o.Spec.ClusterIP}
		}
		wrong := corevalidation.ValidateServiceCreate(o)
		for i, port := range o.Spec.Ports {
			if port.NodePort < 0 || port.NodePort > 65535 { // the allocator does
				wrong = append(wrong, field.Invalid(field.NewPath("spec", "ports").Index(i), port.NodePort, "not in range"))
			}
		}
		return wrong
	case *core.Namespace:
		return corevalidation.ValidateNamespace(o)
	case *core.Node:
		return corevalidation.ValidateNode(o)
	case *core.Endpoints:
		return corevalidation.ValidateEndpointsCreate(o)
	case *discovery.EndpointSlice:
		return discoveryvalidation.ValidateEndpointSliceCreate(o)
	case *apps.Deployment:
		return appsvalidation.ValidateDeployment(o, none)
	case *networking.NetworkPolicy:
		return networkingvalidation.ValidateNetworkPolicy(o, networkingvalidation.NetworkPolicyValidationOptions{})
	case *networking.Ingress:
		return networkingvalidation.ValidateIngressCreate(o)
	}
	return nil
}

func serve(sent []byte) (stored []byte, err error) {
	decoded, kind, err := strict.Decode(sent, nil, nil)
	if err != nil {
		return nil, err
	}
	legacyscheme.Scheme.Default(decoded)
	internal, err := legacyscheme.Scheme.ConvertToVersion(decoded, schema.GroupVersion{Group: kind.Group, Version: runtime.APIVersionInternal})
	if err != nil {
		return nil, err
	}
	if meta, ok := internal.(interface {
		GetNamespace() string
		SetNamespace(string)
	}); ok && meta.GetNamespace() == "" && kind.Kind != "Namespace" && kind.Kind != "Node" {
		meta.SetNamespace("default")
	}
	if wrong := validate(internal); len(wrong) > 0 {
		return nil, wrong.ToAggregate()
	}
	written, err := legacyscheme.Scheme.ConvertToVersion(internal, kind.GroupVersion())
	if err != nil {
		return nil, err
	}
	return json.Marshal(written)
}

func read(content []byte) (out answer) {
	out.Objects = []object{}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		var raw runtime.RawExtension
		if err := decoder.Decode(&raw); err != nil {
			if !errors.Is(err, io.EOF) {
				out.Error = err.Error()
			}
			return out
		}
		found := bytes.TrimSpace(raw.Raw)
		if len(found) == 0 || bytes.Equal(found, []byte("null")) {
			continue
		}
		decoded, _, err := unstructured.UnstructuredJSONScheme.Decode(found, nil, nil)
		if err != nil {
			out.Error = err.Error()
			return out
		}
		each := func(item runtime.Object) error {
			sent, err := json.Marshal(item.(*unstructured.Unstructured).Object)
			if err != nil {
				return err
			}
			stored, err := serve(sent)
			one := object{Sent: sent, Stored: stored}
			if err != nil {
				one.Refused = err.Error()
			}
			out.Objects = append(out.Objects, one)
			return nil
		}
		if list, ok := decoded.(*unstructured.UnstructuredList); ok {
			err = list.EachListItem(each)
		} else {
			err = each(decoded)
		}
		if err != nil {
			out.Error = err.Error()
			return out
		}
	}
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 1 {
			var asked request
			if err := json.Unmarshal(line, &asked); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			if err := out.Encode(read(asked.Content)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
		}
		if err != nil {
			return
		}
	}
}
