runs pt
