// A reverse proxy as Go's own library makes it, for the benchmark of the worker: connections to the
// handler are kept, buffers are used again, and nothing is logged.
package main

import (
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// Keeps the buffers that bodies are copied through.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte     { return *b.pool.Get().(*[]byte) }
func (b *buffers) Put(some []byte) { b.pool.Put(&some) }

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where pushes arrive")
	to := flag.String("to", "http://127.0.0.1:8081", "the handler")
	flag.Parse()

	handler, err := url.Parse(*to)
	if err != nil {
		log.Fatalf("-to is no URL: %v", err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(handler)
			request.Out.Host = request.In.Host
		},
		Transport: &http.Transport{
			MaxIdleConns:        0,
			MaxIdleConnsPerHost: 1024,
			IdleConnTimeout:     10 * time.Minute,
			DisableCompression:  true,
		},
		BufferPool: &buffers{sync.Pool{New: func() any {
			some := make([]byte, 64<<10)
			return &some
		}}},
	}
	server := &http.Server{Addr: *listen, Handler: proxy}
	log.Fatal(server.ListenAndServe())
}
