// The handler of the end-to-end test: asks the account, which is outside of the cluster, what to do
// with each run, and says so. What the account has not heard of has not been run.
package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	account  = os.Getenv("ACCOUNT")
	version  = os.Getenv("VERSION")
	stopping atomic.Bool
)

func main() {
	if version == "broken" {
		log.Fatal("this version ends as soon as it has begun")
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	server := &http.Server{Addr: ":8080", Handler: http.HandlerFunc(run), ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error)
	go func() {
		<-stop.Done()
		stopping.Store(true)
		// As a pod's end is: what runs is finished, if it takes no longer than a pod is given.
		stopped <- server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
}

func run(answer http.ResponseWriter, task *http.Request) {
	if _, err := io.Copy(io.Discard, task.Body); err != nil {
		return
	}
	question, err := http.NewRequestWithContext(task.Context(), http.MethodPost, account, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"Executor-Task", "Executor-Stage", "Executor-Attempt"} {
		question.Header.Set(name, task.Header.Get(name))
	}
	question.Header.Set("Handler-Version", version)
	if stopping.Load() {
		question.Header.Set("Handler-Stopping", "true")
	}
	told, err := http.DefaultClient.Do(question)
	if err != nil {
		// Whether the account has heard of this run isn't known: nobody may count on an answer.
		panic(http.ErrAbortHandler)
	}
	defer told.Body.Close()
	for _, name := range []string{"Executor-Reason", "Executor-Verdict"} {
		if value := told.Header.Get(name); value != "" {
			answer.Header().Set(name, value)
		}
	}
	answer.WriteHeader(told.StatusCode)
}
