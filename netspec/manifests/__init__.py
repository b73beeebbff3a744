"""Plain Kubernetes objects in: files, directories, standard input; read into the `Inventory` that specs compile to."""
