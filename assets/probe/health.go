package main

import (
	"encoding/json"
	"log"
	"net/http"
	"time"
)

type status struct {
	Name   string `json:"name"`
	Uptime string `json:"uptime"`
}

var started = time.Now()

func handleHealth(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	body := status{Name: "example", Uptime: time.Since(started).String()}
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Println(err)
	}
}

func main() {
	http.HandleFunc("/health", handleHealth)
	log.Fatal(http.ListenAndServe(":8080", nil))
}
