// What Cilium makes of policies, as an oracle for netspec's reader.
//
// One request a line on standard input, one answer a line on standard output, both JSON. A request holds policies as
// they are applied, identities by their labels, and flows between them; the answer says of each policy why it is
// refused, and of each flow what the policies of its two ends say. The code is Cilium's own (pkg/policy); only the
// order of the calls is repeated here.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"

	envoypolicy "github.com/cilium/cilium/pkg/envoy/policy"
	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/identity/identitymanager"
	ipcachetypes "github.com/cilium/cilium/pkg/ipcache/types"
	"github.com/cilium/cilium/pkg/k8s"
	ciliumv2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	slimnetworkingv1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/networking/v1"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"
	"github.com/cilium/cilium/pkg/policy/types"
	"github.com/cilium/cilium/pkg/policy/utils"
	testpolicy "github.com/cilium/cilium/pkg/testutils/policy"
	"github.com/cilium/cilium/pkg/u8proto"
)

const clusterName = "default"

type flow struct {
	From, To identity.NumericIdentity
	Port     uint16
	Protocol string
}

type request struct {
	Policies   []json.RawMessage
	Identities map[identity.NumericIdentity][]string
	Flows      []flow
}

type verdict struct {
	Egress  string `json:"egress"`
	Ingress string `json:"ingress"`
}

type answer struct {
	Refused []string  `json:"refused"`
	Flows   []verdict `json:"flows"`
	Error   string    `json:"error,omitempty"`
}

func entries(logger *slog.Logger, raw json.RawMessage) (types.PolicyEntries, error) {
	var head struct{ Kind string }
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, err
	}
	var rules api.Rules
	var err error
	switch head.Kind {
	case "NetworkPolicy":
		var np slimnetworkingv1.NetworkPolicy
		if err := json.Unmarshal(raw, &np); err != nil {
			return nil, err
		}
		return k8s.ParseNetworkPolicy(logger, clusterName, &np)
	case "CiliumClusterwideNetworkPolicy":
		var ccnp ciliumv2.CiliumClusterwideNetworkPolicy
		if err := json.Unmarshal(raw, &ccnp); err != nil {
			return nil, err
		}
		rules, err = ccnp.Parse(logger, clusterName)
	default:
		var cnp ciliumv2.CiliumNetworkPolicy
		if err := json.Unmarshal(raw, &cnp); err != nil {
			return nil, err
		}
		rules, err = cnp.Parse(logger, clusterName)
	}
	if err != nil {
		return nil, err
	}
	return utils.RulesToPolicyEntries(rules), nil
}

func judge(logger *slog.Logger, asked request) (found answer) {
	ids := identity.IdentityMap{}
	for id, own := range asked.Identities {
		ids[id] = labels.NewLabelsFromModel(own).LabelArray()
	}
	manager := identitymanager.NewIDManager(logger)
	translator := envoypolicy.NewEnvoyL7RulesTranslator(logger, nil)
	repo := policy.NewPolicyRepository(logger, ids, nil, translator, manager, testpolicy.NewPolicyMetricsNoop())
	repo.GetSubjectSelectorCache().UpdateIdentities(ids, nil, nil)
	for i, raw := range asked.Policies {
		read, err := entries(logger, raw)
		why := ""
		if err != nil {
			why = err.Error()
		} else {
			repo.ReplaceByResource(read, ipcachetypes.ResourceID(fmt.Sprint("policy", i)))
		}
		found.Refused = append(found.Refused, why)
	}
	for _, each := range asked.Flows {
		proto, err := u8proto.ParseProtocol(each.Protocol)
		if err != nil {
			found.Error = err.Error()
			return
		}
		result, _, _, err := policy.LookupFlow(logger, repo, manager, types.Flow{
			From:  identity.NewIdentityFromLabelArray(each.From, ids[each.From]),
			To:    identity.NewIdentityFromLabelArray(each.To, ids[each.To]),
			Proto: proto,
			Dport: each.Port,
		})
		if err != nil {
			found.Error = err.Error()
			return
		}
		found.Flows = append(found.Flows, verdict{result.Egress.String(), result.Ingress.String()})
	}
	return
}

func main() {
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	option.Config.EnableL7Proxy = true
	option.Config.EnableICMPRules = true
	option.Config.EnableNonDefaultDenyPolicies = true
	option.Config.EnableIPv4, option.Config.EnableIPv6 = true, false
	policy.SetPolicyEnabled(option.DefaultEnforcement)
	api.InitEntities(clusterName)
	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		found := answer{}
		if err := json.Unmarshal(line, &asked); err != nil {
			found.Error = err.Error()
		} else {
			found = judge(logger, asked)
		}
		raw, err := json.Marshal(found)
		if err != nil {
			panic(err)
		}
		out.Write(append(raw, '\n'))
		out.Flush()
	}
}
