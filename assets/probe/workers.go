package main

import (
	"fmt"
	"sync"
	"time"
)

func worker(id int, jobs <-chan int, results chan<- int, wg *sync.WaitGroup) {
	defer wg.Done()
	for job := range jobs {
		time.Sleep(10 * time.Millisecond)
		fmt.Printf("worker %d finished job %d\n", id, job)
		results <- job * job
	}
}

func main() {
	jobs := make(chan int, 20)
	results := make(chan int, 20)
	var wg sync.WaitGroup
	for id := 1; id <= 4; id++ {
		wg.Add(1)
		go worker(id, jobs, results, &wg)
	}
	for job := 0; job < 20; job++ {
		jobs <- job
	}
	close(jobs)
	wg.Wait()
	close(results)
	sum := 0
	for result := range results {
		sum += result
	}
	fmt.Println("sum:", sum)
}
