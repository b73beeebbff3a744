package main

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

type node struct {
	Spec   struct{ Unschedulable bool }
	Status struct{ Allocatable struct{ CPU string } }
}

// cores of a node: a quantity, in whole cores or thousandths.
func (n node) cores() (float64, error) {
	text := n.Status.Allocatable.CPU
	if text == "" {
		return 0, nil
	}
	number, err := strconv.ParseFloat(strings.TrimSuffix(text, "m"), 64)
	if strings.HasSuffix(text, "m") {
		number /= 1000
	}
	return number, err
}

type linear struct {
	CoresPerReplica, NodesPerReplica                     float64
	Min, Max                                             int
	PreventSinglePointFailure, IncludeUnschedulableNodes bool
}

// of: so many for so much of one thing, within min and max.
func (l linear) of(size, perReplica float64) int {
	if perReplica == 0 {
		return 1
	}
	wanted := int(math.Ceil(size / perReplica))
	if l.Max != 0 {
		wanted = min(wanted, l.Max)
	}
	return max(wanted, l.Min, 1)
}

type ladder struct {
	CoresToReplicas, NodesToReplicas [][2]int
	IncludeUnschedulableNodes        bool
}

// step: the highest that is reached; the first where none is.
func step(steps [][2]int, size float64) int {
	if len(steps) == 0 {
		return 0
	}
	sort.Slice(steps, func(i, j int) bool { return steps[i][0] < steps[j][0] })
	found := steps[0][1]
	for _, s := range steps {
		if size >= float64(s[0]) {
			found = s[1]
		}
	}
	return found
}

// size: nodes and their cores, rounded up; without those that take no pods, unless `all`.
func size(nodes []node, all bool) (count, cores float64, err error) {
	for _, n := range nodes {
		if n.Spec.Unschedulable && !all {
			continue
		}
		own, err := n.cores()
		if err != nil {
			return 0, 0, err
		}
		count++
		cores += own
	}
	return count, math.Ceil(cores), nil
}

// replicas: by the one key of the ConfigMap.
func replicas(data map[string]string, nodes []node) (int, error) {
	if len(data) != 1 {
		return 0, fmt.Errorf("the ConfigMap must have one key, and has %d", len(data))
	}
	for mode, text := range data {
		switch mode {
		case "linear":
			var l linear
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				return 0, err
			}
			if l.CoresPerReplica <= 0 && l.NodesPerReplica <= 0 || l.Max != 0 && l.Max < l.Min {
				return 0, fmt.Errorf("linear is not sensible: %s", text)
			}
			count, cores, err := size(nodes, l.IncludeUnschedulableNodes)
			byNodes := l.of(count, l.NodesPerReplica)
			if l.PreventSinglePointFailure && count > 1 {
				byNodes = max(byNodes, 2)
			}
			return max(byNodes, l.of(cores, l.CoresPerReplica)), err
		case "ladder":
			var l ladder
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				return 0, err
			}
			count, cores, err := size(nodes, l.IncludeUnschedulableNodes)
			return max(step(l.NodesToReplicas, count), step(l.CoresToReplicas, cores)), err
		default:
			return 0, fmt.Errorf("%s is neither linear nor ladder", mode)
		}
	}
	return 0, nil
}
