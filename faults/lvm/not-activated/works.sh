runs data
