// Reads PromQL, one expression a line as a JSON string, and answers each with a line of JSON: what is
// wrong with it, or the metrics that it asks for.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	"github.com/prometheus/prometheus/promql/parser"
)

type answer struct {
	Error   string   `json:"error,omitempty"`
	Metrics []string `json:"metrics,omitempty"`
}

func read(expression string) answer {
	parsed, err := parser.ParseExpr(expression)
	if err != nil {
		return answer{Error: err.Error()}
	}
	var metrics []string
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			metrics = append(metrics, selector.Name)
		}
		return nil
	})
	return answer{Metrics: metrics}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var expression string
		if err := json.Unmarshal(lines.Bytes(), &expression); err != nil {
			log.Fatal(err)
		}
		if err := answers.Encode(read(expression)); err != nil {
			log.Fatal(err)
		}
	}
}
