runs web
