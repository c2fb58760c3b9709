package controlplane

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/flotilla-dev/flotilla/test/fleet/process"
)

// debianBalancer is where Debian's package puts HAProxy, which is not in every user's search path.
const debianBalancer = "/usr/sbin/haproxy"

// FindBalancer returns the path of HAProxy.
func FindBalancer() (string, error) {
	if found, err := exec.LookPath("haproxy"); err == nil {
		return found, nil
	}
	if _, err := os.Stat(debianBalancer); err == nil {
		return debianBalancer, nil
	}
	return "", errors.New("HAProxy is missing; Debian and its relatives have it: apt-get install haproxy")
}

// balancerConfig forwards TCP to the API servers that are ready, as the guides of kubeadm set it up. An API server
// counts as gone after two checks in a row that fail: within a second when it is dead, within four when it or its store
// does not answer, as one that is merely busy would not for a while. Its connections are closed then: clients that wait
// on one that hangs would not notice.
const balancerConfig = `defaults
  mode tcp
  log global
  option redispatch
  retries 2
  timeout connect 2s
  timeout client 1h
  timeout server 1h
  timeout check 2s
frontend clients
  bind %s
  default_backend api-servers
backend api-servers
  balance roundrobin
  option httpchk GET /readyz
  http-check expect status 200
  default-server check check-ssl verify none inter 500ms fastinter 100ms fall 2 rise 1 on-marked-down shutdown-sessions
`

func (p Plan) balancerConfig(front string, machines []machine) []byte {
	var config strings.Builder
	_, _ = fmt.Fprintf(&config, balancerConfig, front)
	for _, m := range machines {
		_, _ = fmt.Fprintf(&config, "  server %s %s\n", p.name("apiserver", m), m.apiWay)
	}
	return []byte(config.String())
}

func (p Plan) balancerName() string { return p.Name + "-balancer" }

// balancer stays in the foreground, as one process.
func (p Plan) balancer(front string) Component {
	return Component{
		Spec:   process.Spec{Name: p.balancerName(), Path: p.Balancer, Args: []string{"-db", "-f", p.file(balancerConfigFile)}},
		Health: "https://" + front + "/readyz",
		CA:     p.file(caCertFile),
	}
}
