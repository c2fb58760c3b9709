package manager

import (
	"fmt"
	"os"
)

// pings are the settings of Kubernetes' HTTP/2 clients (k8s.io/apimachinery/pkg/util/net) for connections on which nothing arrives:
// after how many seconds the other end is asked for a sign of life, and how many it has for it. By default it is 45 s until a watch
// of an API server that hangs is opened anew; a balancer leads it to another one then.
var pings = map[string]string{
	"HTTP2_READ_IDLE_TIMEOUT_SECONDS": "10",
	"HTTP2_PING_TIMEOUT_SECONDS":      "10",
}

// pingSooner sets what the environment leaves open. It has to come before the first connection.
func pingSooner() error {
	for name, seconds := range pings {
		if _, given := os.LookupEnv(name); given {
			continue
		}
		if err := os.Setenv(name, seconds); err != nil {
			return fmt.Errorf("setting %s: %w", name, err)
		}
	}
	return nil
}
