"""What a process is on this machine: its signals, its output, its cores, the processes it starts."""
