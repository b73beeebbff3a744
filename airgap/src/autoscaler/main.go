// A stand-in for cluster-proportional-autoscaler, whose module cannot be had here: the same arguments, the same ConfigMap,
// the same arithmetic (linear, ladder), the same rights: it reads nodes and its ConfigMap, and sets a Deployment's scale.
// It lists where the real one watches, and sets Deployments alone.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

// cluster is the API server, as a pod is told of it. The token is read anew each time: the kubelet renews it.
type cluster struct {
	server string
	client *http.Client
}

const credentials = "/var/run/secrets/kubernetes.io/serviceaccount"

func connect() (*cluster, error) {
	authority, err := os.ReadFile(credentials + "/ca.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	server := "https://" + os.Getenv("KUBERNETES_SERVICE_HOST") + ":" + os.Getenv("KUBERNETES_SERVICE_PORT")
	return &cluster{server, &http.Client{Timeout: 20 * time.Second, Transport: transport}}, nil
}

// ask sends `body`, if there is one, and reads the answer into `into`.
func (c *cluster) ask(method, path string, body, into any) error {
	token, err := os.ReadFile(credentials + "/token")
	if err != nil {
		return err
	}
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, c.server+path, sent)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	return json.Unmarshal(text, into)
}

// poll sets the scale to what the cluster's size asks for.
func (c *cluster) poll(namespace, configMap, target string) error {
	var listed struct{ Items []node }
	if err := c.ask("GET", "/api/v1/nodes", nil, &listed); err != nil {
		return err
	}
	var config struct{ Data map[string]string }
	if err := c.ask("GET", "/api/v1/namespaces/"+namespace+"/configmaps/"+configMap, nil, &config); err != nil {
		return err
	}
	wanted, err := replicas(config.Data, listed.Items)
	if err != nil {
		return err
	}
	path := "/apis/apps/v1/namespaces/" + namespace + "/deployments/" + target + "/scale"
	var scale map[string]any
	if err := c.ask("GET", path, nil, &scale); err != nil {
		return err
	}
	spec, _ := scale["spec"].(map[string]any)
	now, _ := spec["replicas"].(float64) // nothing where there are none
	if int(now) == wanted {
		return nil
	}
	scale["spec"] = map[string]any{"replicas": wanted}
	log.Printf("%d nodes: replicas from %d to %d", len(listed.Items), int(now), wanted)
	return c.ask("PUT", path, scale, &scale)
}

// answer: a line for each case: the number, or why there is none.
func answer(file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		log.Fatal(err)
	}
	var cases []struct {
		Data  map[string]string
		Nodes []node
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		log.Fatal(err)
	}
	for _, c := range cases {
		if count, err := replicas(c.Data, c.Nodes); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println(count)
		}
	}
}

func main() {
	log.SetFlags(0)
	namespace := flag.String("namespace", "", "of the ConfigMap and the target")
	configMap := flag.String("configmap", "", "what to scale by")
	target := flag.String("target", "", "deployment/NAME")
	seconds := flag.Int("poll-period-seconds", 10, "between two looks")
	flag.Bool("logtostderr", true, "always so")
	flag.Int("v", 0, "not used")
	cases := flag.String("cases", "", "only here: a file of sizes and parameters; prints what they come to, and ends")
	flag.Parse()
	if *cases != "" {
		answer(*cases)
		return
	}
	kind, name, _ := strings.Cut(strings.ToLower(*target), "/")
	if *namespace == "" || *configMap == "" || kind != "deployment" || name == "" {
		log.Fatal("needed are --namespace, --configmap and --target=deployment/NAME")
	}
	api, err := connect()
	if err != nil {
		log.Fatal(err)
	}
	for {
		if err := api.poll(*namespace, *configMap, name); err != nil {
			log.Print(err)
		}
		time.Sleep(time.Duration(*seconds) * time.Second)
	}
}
